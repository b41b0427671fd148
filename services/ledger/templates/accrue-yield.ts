import type { AssetCode, BaseUnits } from '../../shared/money';
import { collateralOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface AccrueYieldInput {
  /** Names the reading: the operation or the block that it was made for. */
  readonly reference: string;
  readonly accountId: string;
  readonly asset: AssetCode;
  readonly venueCollateral: LedgerAccountRef;
  /** What the venue holds for the cardholder at one block, less what the ledger says. */
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** Collateral grew at the venue: the yield is the cardholder's. */
export function accrueYield(input: AccrueYieldInput): TransactionDraft {
  return {
    template: 'accrue-yield',
    idempotencyKey: `yield:${input.accountId}:${input.asset}:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('yield', input.venueCollateral, collateralOf(input.accountId, input.asset), input.amount)],
  };
}
