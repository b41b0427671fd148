import { collateralOf, fundsOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';
import type { CollateralMove } from './pledge-collateral';

function reserved(input: CollateralMove) {
  return {
    debit: collateralOf(input.accountId, input.asset),
    credit: fundsOf(input.accountId, input.asset),
    amount: input.amount,
    legId: input.operationId,
  };
}

/** At the request: what is to be released no longer backs new borrowing. */
export function reserveRelease(input: CollateralMove): TransactionDraft {
  return {
    template: 'release-collateral',
    idempotencyKey: `collateral:${input.operationId}:reserved`,
    effectiveAt: input.effectiveAt,
    transfers: [{ ...reserved(input), id: input.holdTransferId, label: 'reserve', kind: 'pending' }],
  };
}

/** The withdrawal from the venue is confirmed on chain: the tokens are in the treasury and the cardholder's to spend. */
export function releaseCollateral(
  input: CollateralMove & { readonly treasury: LedgerAccountRef; readonly venueCollateral: LedgerAccountRef },
): TransactionDraft {
  return {
    template: 'release-collateral',
    idempotencyKey: `collateral:${input.operationId}:confirmed`,
    effectiveAt: input.effectiveAt,
    transfers: [
      { ...reserved(input), label: 'released', kind: 'post_pending', pendingTransferId: input.holdTransferId },
      moved('withdrawn', input.treasury, input.venueCollateral, input.amount, input.operationId),
    ],
  };
}

/** The withdrawal failed for good: the collateral stays pledged. */
export function cancelRelease(input: CollateralMove): TransactionDraft {
  return {
    template: 'release-collateral',
    idempotencyKey: `collateral:${input.operationId}:cancelled`,
    effectiveAt: input.effectiveAt,
    transfers: [
      { ...reserved(input), label: 'cancelled', kind: 'void_pending', pendingTransferId: input.holdTransferId },
    ],
  };
}
