import type { BankStatements, BankTransaction } from '../providers/off-ramp/port';

const PAGE = 100;

type BankSearch =
  | { readonly kind: 'searched'; readonly transaction: BankTransaction | null }
  | { readonly kind: 'unknown'; readonly detail: string };

/** Looks through the statement for a movement by its reference and direction. */
export async function findBankTransaction(
  bank: BankStatements,
  wanted: { readonly reference: string; readonly direction: BankTransaction['direction'] },
): Promise<BankSearch> {
  let after: string | null = null;
  for (;;) {
    const page = await bank.transactions({ after, limit: PAGE });
    if (page.kind === 'unknown') return { kind: 'unknown', detail: page.detail };
    if (page.kind === 'rejected') return { kind: 'unknown', detail: page.code };
    const found = page.value.data.find(
      (entry) => entry.reference === wanted.reference && entry.direction === wanted.direction,
    );
    if (found !== undefined) return { kind: 'searched', transaction: found };
    const last = page.value.data.at(-1);
    if (!page.value.hasMore || last === undefined) return { kind: 'searched', transaction: null };
    after = last.id;
  }
}
