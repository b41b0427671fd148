import type { BaseUnits } from '../../shared/money';
import { bankSettlementOf, floatOf, positionOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, withoutZeros } from '../draft';

interface BuyBack {
  /** Names the purchase: the refund's posting. */
  readonly reference: string;
  /** The refund's leg. */
  readonly legId: string;
  /** Cents paid for the tokens. */
  readonly amountUsd: BaseUnits;
  readonly effectiveAt: Date;
}

export interface BuyBackFromFloatInput extends BuyBack {
  readonly operating: LedgerAccountRef;
  readonly treasury: LedgerAccountRef;
  /** Tokens that moved from the operating wallet to the treasury for cardholders' funds, confirmed on chain. */
  readonly toTreasury: BaseUnits;
  readonly venueDebt: LedgerAccountRef;
  /** Tokens with which the operating wallet repaid the venue, confirmed on chain. */
  readonly toVenue: BaseUnits;
}

/**
 * The organization sells the refund its own stablecoins: its float turns from tokens into the USD that stay at the bank,
 * because the network takes that much less at settlement.
 */
export function buyBackFromFloat(input: BuyBackFromFloatInput): TransactionDraft {
  const { legId, operating, treasury } = input;
  const { asset } = operating;
  return {
    template: 'buy-back-tokens',
    idempotencyKey: `buy-back:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('float-to-cash', positionOf('USD'), floatOf('USD'), input.amountUsd, legId),
      moved('float-sold', floatOf(asset), positionOf(asset), input.toTreasury + input.toVenue, legId),
      moved('to-treasury', treasury, operating, input.toTreasury, legId),
      moved('to-venue', input.venueDebt, operating, input.toVenue, legId),
    ]),
  };
}

export interface BuyBackOnMarketInput extends BuyBack {
  readonly treasury: LedgerAccountRef;
  /** Tokens that arrived in the treasury, confirmed on chain. */
  readonly amount: BaseUnits;
}

/** The bank paid a seller, who delivered the tokens to the treasury. */
export function buyBackOnMarket(input: BuyBackOnMarketInput): TransactionDraft {
  const { legId, treasury } = input;
  return {
    template: 'buy-back-tokens',
    idempotencyKey: `buy-back:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('paid', positionOf('USD'), bankSettlementOf('operating'), input.amountUsd, legId),
      moved('bought', treasury, positionOf(treasury.asset), input.amount, legId),
    ]),
  };
}
