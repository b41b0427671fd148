import type { BankStatements } from '../providers/off-ramp/port';
import { searchStatement } from '../providers/off-ramp/search-statement';
import { sumBigint } from '../shared/money';
import { notAnswered, type Proof, type ShowAmount, sameAmount } from './proof';
import type { NetDebit } from './reconciliation.repository';

/** `bank.settlement` against the statement's entries that carry a reference of ours; other organizations' entries are not ours to sum. */
export async function proveBank(
  bank: BankStatements,
  books: { readonly balances: readonly NetDebit[]; readonly references: ReadonlySet<string> },
  show: ShowAmount,
): Promise<readonly Proof[]> {
  const expected = sumBigint(
    books.balances.filter(({ type }) => type === 'bank.settlement').map(({ net_debit }) => net_debit),
  );
  const name = 'ledger_equals_bank';
  const search = await searchStatement(bank, ({ reference }) => books.references.has(reference));
  if (search.kind === 'unknown') return [notAnswered(name, show(expected, 'USD'), search.detail)];
  const found = sumBigint(search.entries.map(({ direction, amount }) => (direction === 'credit' ? amount : -amount)));
  return [sameAmount(name, show, 'USD', { expected, found })];
}
