import type { BaseUnits } from '../../shared/money';
import { type LedgerAccountRef, moved, type TransactionDraft, withoutZeros } from '../draft';

export interface RepayVenueInput {
  readonly repaymentId: string;
  readonly venueDebt: LedgerAccountRef;
  readonly treasury: LedgerAccountRef;
  /** Cardholders' tokens that reached the venue: at most what the ledger says is owed there. */
  readonly fromTreasury: BaseUnits;
  readonly operating: LedgerAccountRef;
  /** Our own: the last dust, or interest that was given back to the cardholder. */
  readonly fromOperating: BaseUnits;
  readonly effectiveAt: Date;
}

/** The repay is confirmed on chain: the debt at the cardholder's address fell by it. */
export function repayVenue(input: RepayVenueInput): TransactionDraft {
  return {
    template: 'repay-venue',
    idempotencyKey: `repayment:${input.repaymentId}:venue`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('venue-repaid', input.venueDebt, input.treasury, input.fromTreasury, input.repaymentId),
      moved('venue-repaid-by-us', input.venueDebt, input.operating, input.fromOperating, input.repaymentId),
    ]),
  };
}
