import type { BankStatements, BankTransaction } from '../providers/off-ramp/port';
import { sumBigint } from '../shared/money';
import { notAnswered, type Proof, type ShowAmount, sameAmount } from './proof';
import type { NetDebit } from './reconciliation.repository';

const PAGE = 100;

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
  const entries: BankTransaction[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const page = await bank.transactions({ after, limit: PAGE });
    if (page.kind !== 'ok') {
      return [notAnswered(name, show(expected, 'USD'), page.kind === 'unknown' ? page.detail : page.code)];
    }
    entries.push(...page.value.data.filter(({ reference }) => books.references.has(reference)));
    after = page.value.data.at(-1)?.id ?? null;
    more = page.value.hasMore && after !== null;
  }
  const found = sumBigint(entries.map(({ direction, amount }) => (direction === 'credit' ? amount : -amount)));
  return [sameAmount(name, show, 'USD', { expected, found })];
}
