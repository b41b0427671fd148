import type { AssetCode, BaseUnits } from '../../shared/money';
import { fundsOf, suspenseOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface ConfirmDepositInput {
  readonly depositId: string;
  /** The deposit address's wallet account in the asset that arrived. */
  readonly wallet: LedgerAccountRef;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** The chain's confirmation policy is met: the tokens are ours to keep, and nobody's to spend until they are screened. */
export function confirmDeposit(input: ConfirmDepositInput): TransactionDraft {
  const { depositId, wallet } = input;
  return {
    template: 'record-deposit',
    idempotencyKey: `deposit:${depositId}:confirmed`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('arrived', wallet, suspenseOf(wallet.asset), input.amount, depositId)],
  };
}

export interface CreditDepositInput {
  readonly depositId: string;
  readonly accountId: string;
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** Screening passed: the cardholder may spend it. */
export function creditDeposit(input: CreditDepositInput): TransactionDraft {
  const { depositId, asset } = input;
  return {
    template: 'record-deposit',
    idempotencyKey: `deposit:${depositId}:credited`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('credited', suspenseOf(asset), fundsOf(input.accountId, asset), input.amount, depositId)],
  };
}
