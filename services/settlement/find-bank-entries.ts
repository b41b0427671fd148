import type { BankStatements, BankTransaction } from '../providers/off-ramp/port';

const PAGE = 100;

export type BankEntries =
  | { readonly kind: 'searched'; readonly entries: readonly BankTransaction[] }
  | { readonly kind: 'unknown'; readonly detail: string };

/** Everything the bank has booked under a reference: the payment, and what corrected it. */
export async function findBankEntries(bank: BankStatements, reference: string): Promise<BankEntries> {
  const entries: BankTransaction[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const page = await bank.transactions({ after, limit: PAGE });
    if (page.kind !== 'ok') return { kind: 'unknown', detail: page.kind === 'unknown' ? page.detail : page.code };
    entries.push(...page.value.data.filter((entry) => entry.reference === reference));
    after = page.value.data.at(-1)?.id ?? null;
    more = page.value.hasMore && after !== null;
  }
  return { kind: 'searched', entries };
}
