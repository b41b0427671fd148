import type { BankStatements, BankTransaction } from '../providers/off-ramp/port';
import { searchStatement } from '../providers/off-ramp/search-statement';

type BankSearch =
  | { readonly kind: 'searched'; readonly transaction: BankTransaction | null }
  | { readonly kind: 'unknown'; readonly detail: string };

/** Looks through the statement for a movement by its reference and direction. */
export async function findBankTransaction(
  bank: BankStatements,
  wanted: { readonly reference: string; readonly direction: BankTransaction['direction'] },
): Promise<BankSearch> {
  const { reference, direction } = wanted;
  const found = await searchStatement(
    bank,
    (entry) => entry.reference === reference && entry.direction === direction,
    1,
  );
  return found.kind === 'unknown' ? found : { kind: 'searched', transaction: found.entries[0] ?? null };
}
