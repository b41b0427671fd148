import type { BankStatements, BankTransaction } from './port';

const PAGE = 100;

export type StatementSearch =
  | { readonly kind: 'searched'; readonly entries: readonly BankTransaction[] }
  | { readonly kind: 'unknown'; readonly detail: string };

/** Entries of the statement that are `wanted`, from its beginning and in its order; no page is asked for once there are `enough`. */
export async function searchStatement(
  bank: BankStatements,
  wanted: (entry: BankTransaction) => boolean,
  enough = Number.POSITIVE_INFINITY,
): Promise<StatementSearch> {
  const entries: BankTransaction[] = [];
  for (let after: string | null = null, more = true; more && entries.length < enough; ) {
    const page = await bank.transactions({ after, limit: PAGE });
    if (page.kind !== 'ok') return { kind: 'unknown', detail: page.kind === 'unknown' ? page.detail : page.code };
    entries.push(...page.value.data.filter(wanted));
    after = page.value.data.at(-1)?.id ?? null;
    more = page.value.hasMore && after !== null;
  }
  return { kind: 'searched', entries };
}
