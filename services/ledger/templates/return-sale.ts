import type { BaseUnits } from '../../shared/money';
import { expenseOf, offrampTransitOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface ReturnSaleInput {
  readonly orderId: string;
  readonly attempt: number;
  readonly legId: string;
  readonly treasury: LedgerAccountRef;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** The off-ramp sent the tokens back: they are in the treasury again, and the leg waits for its next attempt. */
export function returnSale(input: ReturnSaleInput): TransactionDraft {
  const transit = offrampTransitOf(input.orderId, input.treasury.asset);
  return {
    template: 'return-sale',
    idempotencyKey: `sale:${input.orderId}:returned:${input.attempt}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('returned', input.treasury, transit, input.amount, input.legId)],
  };
}

/**
 * An operator declared the tokens lost: our cost, and the operating wallet replaced them in the treasury (confirmed on
 * chain), so that the leg can be sold again.
 */
export function replaceLostSale(input: ReturnSaleInput & { readonly operating: LedgerAccountRef }): TransactionDraft {
  const { asset } = input.treasury;
  return {
    template: 'return-sale',
    idempotencyKey: `sale:${input.orderId}:lost:${input.attempt}`,
    effectiveAt: input.effectiveAt,
    transfers: [
      moved('lost', expenseOf('offramp', asset), offrampTransitOf(input.orderId, asset), input.amount, input.legId),
      moved('replaced', input.treasury, input.operating, input.amount, input.legId),
    ],
  };
}
