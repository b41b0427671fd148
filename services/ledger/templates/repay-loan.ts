import type { AssetCode, BaseUnits } from '../../shared/money';
import { sumBigint } from '../../shared/money';
import { fundsOf, interestOf, loanOf, positionOf } from '../account-refs';
import { moved, type TransactionDraft, type TransferDraft, withoutZeros } from '../draft';

export interface RepaidDraw {
  readonly drawId: string;
  readonly interest: BaseUnits;
  readonly principal: BaseUnits;
}

interface Repayment {
  readonly repaymentId: string;
  readonly accountId: string;
  readonly asset: AssetCode;
  readonly effectiveAt: Date;
}

/** At the request: the amount can no longer be spent. */
export function reserveRepayment(
  input: Repayment & { readonly holdTransferId: string; readonly amount: BaseUnits },
): TransactionDraft {
  return {
    template: 'repay-loan',
    idempotencyKey: `repayment:${input.repaymentId}:reserved`,
    effectiveAt: input.effectiveAt,
    transfers: [
      {
        id: input.holdTransferId,
        label: 'reserve',
        kind: 'pending',
        debit: fundsOf(input.accountId, input.asset),
        credit: positionOf(input.asset),
        amount: input.amount,
        legId: input.repaymentId,
      },
    ],
  };
}

export interface RepayLoanInput extends Repayment {
  /** What was reserved; what the draws no longer need of it is given back. Null: taken from the funds now. */
  readonly hold: { readonly transferId: string; readonly amount: BaseUnits } | null;
  /** Oldest first, interest before principal. */
  readonly draws: readonly RepaidDraw[];
}

/** The cardholder's stablecoins repay draws. What the venue gets of them is `repay-venue`. */
export function repayLoan(input: RepayLoanInput): TransactionDraft {
  const { accountId, asset, hold, repaymentId } = input;
  const total = sumBigint(input.draws.map((draw) => draw.interest + draw.principal));
  const paid = moved('repaid', fundsOf(accountId, asset), positionOf(asset), total, repaymentId);
  const taken: readonly TransferDraft[] =
    hold === null
      ? [paid]
      : [
          { ...paid, kind: 'post_pending', pendingTransferId: hold.transferId },
          {
            ...paid,
            label: 'not-needed',
            kind: 'void_pending',
            pendingTransferId: hold.transferId,
            amount: hold.amount - total,
          },
        ];
  return {
    template: 'repay-loan',
    idempotencyKey: `repayment:${repaymentId}:repaid`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      ...taken,
      ...input.draws.flatMap(({ drawId, interest, principal }) => [
        moved('interest', positionOf(asset), interestOf(accountId, drawId, asset), interest, repaymentId),
        moved('principal', positionOf(asset), loanOf(accountId, drawId, asset), principal, repaymentId),
      ]),
    ]),
  };
}

/** The repayment failed for good: the cardholder has the funds back. */
export function cancelRepayment(
  input: Repayment & { readonly holdTransferId: string; readonly amount: BaseUnits },
): TransactionDraft {
  return {
    template: 'repay-loan',
    idempotencyKey: `repayment:${input.repaymentId}:cancelled`,
    effectiveAt: input.effectiveAt,
    transfers: [
      {
        label: 'cancelled',
        kind: 'void_pending',
        debit: fundsOf(input.accountId, input.asset),
        credit: positionOf(input.asset),
        amount: input.amount,
        legId: input.repaymentId,
        pendingTransferId: input.holdTransferId,
      },
    ],
  };
}
