import type { AssetCode, BaseUnits } from '../../shared/money';
import { floatOf, loanOf, overdueOf, positionOf } from '../account-refs';
import { moved, type TransactionDraft, withoutZeros } from '../draft';

export interface FailDrawInput {
  readonly orderId: string;
  readonly legId: string;
  readonly accountId: string;
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  /** Cents that the draw was to cover. */
  readonly amountUsd: BaseUnits;
  /** What refunds gave back of the loan before it failed, and the cents that it was to cover. */
  readonly refunded?: { readonly amount: BaseUnits; readonly amountUsd: BaseUnits };
  readonly effectiveAt: Date;
}

/**
 * The venue finally refused: the loan never was, what it was to cover is overdue. What a refund gave back of it meanwhile is
 * bought for the treasury with the organization's tokens and never lent: they are the organization's again, for the cash that
 * the network was paid. The leg's positions are zero after it.
 */
export function failDraw(input: FailDrawInput): TransactionDraft {
  const { accountId, asset, legId } = input;
  const refunded = input.refunded ?? { amount: 0n, amountUsd: 0n };
  return {
    template: 'fail-draw',
    idempotencyKey: `draw:${input.orderId}:failed`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('loan-undone', positionOf(asset), loanOf(accountId, legId, asset), input.amount, legId),
      moved('overdue', overdueOf(accountId), positionOf('USD'), input.amountUsd, legId),
      moved('never-lent', positionOf(asset), floatOf(asset), refunded.amount, legId),
      moved('paid-from-float', floatOf('USD'), positionOf('USD'), refunded.amountUsd, legId),
    ]),
  };
}
