import type { BaseUnits } from '../../shared/money';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface DrawLoanInput {
  readonly orderId: string;
  /** A draw that a reorg took back is drawn again as its next attempt. */
  readonly attempt: number;
  readonly legId: string;
  readonly treasury: LedgerAccountRef;
  readonly venueDebt: LedgerAccountRef;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** The borrow is confirmed on chain: its tokens are in the treasury, its debt stands at the cardholder's address. */
export function drawLoan(input: DrawLoanInput): TransactionDraft {
  return {
    template: 'draw-loan',
    idempotencyKey: `draw:${input.orderId}:confirmed:${input.attempt}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('borrowed', input.treasury, input.venueDebt, input.amount, input.legId)],
  };
}
