import type { AssetCode, BaseUnits } from '../../shared/money';
import { bankSettlementOf, expenseOf, offrampTransitOf, positionOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, withoutZeros } from '../draft';

export interface SendForSaleInput {
  readonly orderId: string;
  /** A returned sale is sent again as its next attempt. */
  readonly attempt: number;
  readonly legId: string;
  readonly treasury: LedgerAccountRef;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** The tokens left the treasury for the off-ramp, confirmed on chain. */
export function sendForSale(input: SendForSaleInput): TransactionDraft {
  const transit = offrampTransitOf(input.orderId, input.treasury.asset);
  return {
    template: 'sell-stablecoin',
    idempotencyKey: `sale:${input.orderId}:sent:${input.attempt}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('sent', transit, input.treasury, input.amount, input.legId)],
  };
}

export interface PayOutSaleInput {
  readonly orderId: string;
  readonly legId: string;
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  /** Cents before the off-ramp's fee. */
  readonly grossUsd: BaseUnits;
  /** Cents that the off-ramp kept: `grossUsd − feeUsd` arrived at the bank. */
  readonly feeUsd: BaseUnits;
  readonly effectiveAt: Date;
}

/**
 * The off-ramp paid out: the tokens are gone for their gross value, its fee is our cost. What the gross is more or less
 * than the leg covers is closed by `close-position-difference`.
 */
export function payOutSale(input: PayOutSaleInput): TransactionDraft {
  const { asset, legId } = input;
  const bank = bankSettlementOf('operating');
  return {
    template: 'sell-stablecoin',
    idempotencyKey: `sale:${input.orderId}:paid-out`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('sold', positionOf(asset), offrampTransitOf(input.orderId, asset), input.amount, legId),
      moved('gross', bank, positionOf('USD'), input.grossUsd, legId),
      moved('fee', expenseOf('offramp', 'USD'), bank, input.feeUsd, legId),
    ]),
  };
}
