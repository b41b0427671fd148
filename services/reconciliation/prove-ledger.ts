import type { BalanceDifference, OpenPosition } from '../ledger/ledger-report.repository';
import { nothingWrong, type Proof, type ShowAmount } from './proof';
import type { AggregateDifference } from './reconciliation.repository';

/** What the ledger says of itself, read in one transaction. */
export interface LedgerBooks {
  readonly totals: readonly { readonly asset: string; readonly difference: bigint }[];
  readonly differences: readonly BalanceDifference[];
  readonly positions: readonly OpenPosition[];
  readonly unfinishedLegs: ReadonlySet<string>;
  readonly aggregates: readonly AggregateDifference[];
}

/** The ledger against itself: sums, rebuilt balances, closed positions, and the figures kept on accounts. */
export function proveLedger(books: LedgerBooks, show: ShowAmount): readonly Proof[] {
  const { totals, differences, positions, unfinishedLegs, aggregates } = books;
  const open = positions.filter(({ leg_id }) => leg_id === null || !unfinishedLegs.has(leg_id));
  return [
    nothingWrong(
      'assets_sum_to_zero',
      totals
        .filter(({ difference }) => difference !== 0n)
        .map(({ asset, difference }) => `${asset}: debits exceed credits by ${show(difference, asset)}`),
      `assets: ${totals.map(({ asset }) => asset).join(', ')}`,
    ),
    nothingWrong(
      'finished_legs_have_no_position',
      open.map(({ leg_id, asset, open_debit }) => `leg ${leg_id ?? 'none'}: ${show(open_debit, asset)} open`),
      `${unfinishedLegs.size} legs are not finished`,
    ),
    nothingWrong(
      'balances_equal_transfers',
      differences.map(
        ({ type, key, asset, kept, recomputed }) =>
          `${type} ${key} ${asset}: kept ${columns(kept)}, transfers say ${columns(recomputed)}`,
      ),
    ),
    nothingWrong(
      'account_figures_equal_rows',
      aggregates.map(
        ({ account_id, aggregate, kept, recomputed }) =>
          `account ${account_id}: ${aggregate} is ${kept}, should be ${recomputed}`,
      ),
    ),
  ];
}

function columns(counters: BalanceDifference['kept']): string {
  const { posted_debits, posted_credits, pending_debits, pending_credits } = counters;
  return `${posted_debits}/${posted_credits} posted, ${pending_debits}/${pending_credits} pending`;
}
