import type { AssetCode, BaseUnits } from '../../shared/money';
import { expenseOf, interestOf, revenueOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, withoutZeros } from '../draft';

export interface ReorgedDrawInput {
  readonly orderId: string;
  readonly attempt: number;
  readonly legId: string;
  readonly accountId: string;
  readonly treasury: LedgerAccountRef;
  readonly venueDebt: LedgerAccountRef;
  readonly amount: BaseUnits;
  /** Interest posted on the draw since, which never was: the venue's part and ours. */
  readonly venueInterest: BaseUnits;
  readonly spreadInterest: BaseUnits;
  readonly effectiveAt: Date;
}

/** A reorg took a confirmed borrow back: tokens, debt and its interest are undone; the leg is drawn again. */
export function undoReorgedDraw(input: ReorgedDrawInput): TransactionDraft {
  const asset: AssetCode = input.treasury.asset;
  const interest = interestOf(input.accountId, input.legId, asset);
  return {
    template: 'return-draw',
    idempotencyKey: `draw:${input.orderId}:reorged:${input.attempt}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('borrow-undone', input.venueDebt, input.treasury, input.amount, input.legId),
      moved('venue-interest-undone', input.venueDebt, interest, input.venueInterest, input.legId),
      moved('spread-undone', revenueOf('interest', asset), interest, input.spreadInterest, input.legId),
    ]),
  };
}

export interface UnusedDrawInput {
  readonly orderId: string;
  readonly attempt: number;
  readonly legId: string;
  readonly treasury: LedgerAccountRef;
  readonly operating: LedgerAccountRef;
  readonly venueDebt: LedgerAccountRef;
  readonly amount: BaseUnits;
  /** What the venue asked on top until it was paid back, not yet on the ledger. */
  readonly venueInterest: BaseUnits;
  readonly effectiveAt: Date;
}

/** A borrow that is no longer needed was paid back to the venue: its tokens from the treasury, its interest from us. */
export function payBackUnusedDraw(input: UnusedDrawInput): TransactionDraft {
  const { asset } = input.treasury;
  return {
    template: 'return-draw',
    idempotencyKey: `draw:${input.orderId}:unused:${input.attempt}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('unused-interest', expenseOf('interest', asset), input.venueDebt, input.venueInterest, input.legId),
      moved('paid-back', input.venueDebt, input.treasury, input.amount, input.legId),
      moved('interest-paid', input.venueDebt, input.operating, input.venueInterest, input.legId),
    ]),
  };
}
