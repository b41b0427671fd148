import { expenseOf, revenueOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface VenueRoundingInput {
  /** Names the venue operation whose rounding it is. */
  readonly reference: string;
  /** `venue.debt` or `venue.collateral`. */
  readonly account: LedgerAccountRef;
  /** The chain's figure less the ledger's, right after the operation. */
  readonly chainLessLedger: bigint;
  readonly effectiveAt: Date;
}

/** The venue rounds by a unit with each operation: the difference is ours. Null when there is none. */
export function venueRounding(input: VenueRoundingInput): TransactionDraft | null {
  const { account, chainLessLedger } = input;
  if (chainLessLedger === 0n) return null;
  const difference = chainLessLedger > 0n ? chainLessLedger : -chainLessLedger;
  const gained = (account.type === 'venue.debt') === chainLessLedger < 0n;
  const transfer = gained
    ? moved('rounding-gain', account, revenueOf('rounding', account.asset), difference)
    : moved('rounding-loss', expenseOf('rounding', account.asset), account, difference);
  return {
    template: 'venue-rounding',
    idempotencyKey: `rounding:${account.type}:${account.key}:${account.asset}:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: [transfer],
  };
}
