import type { BaseUnits } from '../../shared/money';
import { collateralOf, fundsOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface CollateralMove {
  readonly operationId: string;
  readonly accountId: string;
  readonly asset: string;
  readonly amount: BaseUnits;
  /** The pending transfer that reserves it. */
  readonly holdTransferId: string;
  readonly effectiveAt: Date;
}

function reserved(input: CollateralMove) {
  return {
    debit: fundsOf(input.accountId, input.asset),
    credit: collateralOf(input.accountId, input.asset),
    amount: input.amount,
    legId: input.operationId,
  };
}

/** At the request: what is to be pledged can no longer be spent. */
export function reservePledge(input: CollateralMove): TransactionDraft {
  return {
    template: 'pledge-collateral',
    idempotencyKey: `collateral:${input.operationId}:reserved`,
    effectiveAt: input.effectiveAt,
    transfers: [{ ...reserved(input), id: input.holdTransferId, label: 'reserve', kind: 'pending' }],
  };
}

/** The supply is confirmed on chain: the tokens stand at the venue for the cardholder's address. */
export function pledgeCollateral(
  input: CollateralMove & { readonly treasury: LedgerAccountRef; readonly venueCollateral: LedgerAccountRef },
): TransactionDraft {
  return {
    template: 'pledge-collateral',
    idempotencyKey: `collateral:${input.operationId}:confirmed`,
    effectiveAt: input.effectiveAt,
    transfers: [
      { ...reserved(input), label: 'pledged', kind: 'post_pending', pendingTransferId: input.holdTransferId },
      moved('supplied', input.venueCollateral, input.treasury, input.amount, input.operationId),
    ],
  };
}

/** The supply failed for good: the cardholder has the funds back. */
export function cancelPledge(input: CollateralMove): TransactionDraft {
  return {
    template: 'pledge-collateral',
    idempotencyKey: `collateral:${input.operationId}:cancelled`,
    effectiveAt: input.effectiveAt,
    transfers: [
      { ...reserved(input), label: 'cancelled', kind: 'void_pending', pendingTransferId: input.holdTransferId },
    ],
  };
}
