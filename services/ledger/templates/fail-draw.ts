import type { AssetCode, BaseUnits } from '../../shared/money';
import { loanOf, overdueOf, positionOf } from '../account-refs';
import { moved, type TransactionDraft, withoutZeros } from '../draft';

export interface FailDrawInput {
  readonly orderId: string;
  readonly legId: string;
  readonly accountId: string;
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  /** Cents that the draw was to cover. */
  readonly amountUsd: BaseUnits;
  readonly effectiveAt: Date;
}

/** The venue finally refused: the loan never was, what it was to cover is overdue. The leg's positions are zero after it. */
export function failDraw(input: FailDrawInput): TransactionDraft {
  const { accountId, asset, legId } = input;
  return {
    template: 'fail-draw',
    idempotencyKey: `draw:${input.orderId}:failed`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('loan-undone', positionOf(asset), loanOf(accountId, legId, asset), input.amount, legId),
      moved('overdue', overdueOf(accountId), positionOf('USD'), input.amountUsd, legId),
    ]),
  };
}
