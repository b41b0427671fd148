import type { AssetCode, BaseUnits } from '../../shared/money';
import { fundsOf, overdueOf, positionOf } from '../account-refs';
import { moved, type TransactionDraft } from '../draft';

export interface TakeForOverdueInput {
  /** The sale order that will turn the tokens into USD. */
  readonly orderId: string;
  readonly legId: string;
  readonly accountId: string;
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** Stablecoins of the cardholder are taken to be sold for what is overdue. */
export function takeForOverdue(input: TakeForOverdueInput): TransactionDraft {
  const { asset } = input;
  return {
    template: 'collect-overdue',
    idempotencyKey: `overdue:${input.orderId}:taken`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('taken', fundsOf(input.accountId, asset), positionOf(asset), input.amount, input.legId)],
  };
}

export interface SettleOverdueInput {
  readonly orderId: string;
  readonly legId: string;
  readonly accountId: string;
  /** Cents of overdue that the sale pays. */
  readonly amountUsd: BaseUnits;
  readonly effectiveAt: Date;
}

/** The sale has paid out: only now is the overdue amount less. */
export function settleOverdue(input: SettleOverdueInput): TransactionDraft {
  return {
    template: 'collect-overdue',
    idempotencyKey: `overdue:${input.orderId}:settled`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('settled', positionOf('USD'), overdueOf(input.accountId), input.amountUsd, input.legId)],
  };
}
