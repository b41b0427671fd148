import type { AccountRow } from '../accounts/account.repository';
import type { CardEvent } from '../providers/processor/port';
import type { AuthorizationRow, FundingLegRow } from './authorization.repository';
import type { HeldLeg } from './rules/hold-legs';

/** What every recorder is given: the account is locked, the message is new. */
export interface CardEventContext {
  readonly organizationId: string;
  readonly account: AccountRow;
  readonly cardId: string;
  /** The purchase's authorization, or null when none is known. */
  readonly authorization: AuthorizationRow | null;
  readonly event: CardEvent;
  readonly now: Date;
}

export interface RecordedCardEvent {
  readonly authorizationId: string | null;
  readonly cardTransactionId: string | null;
}

/** The legs that hold something, in plan order. */
export function heldLegsOf(legs: readonly FundingLegRow[]): readonly HeldLeg[] {
  return legs.flatMap((leg) => {
    if (leg.hold_transfer_id === null || (leg.kind !== 'stablecoin_sale' && leg.kind !== 'loan_draw')) return [];
    const leftAmount = leg.held_amount - leg.posted_amount - leg.released_amount;
    if (leftAmount === 0n) return [];
    return {
      legId: leg.id,
      kind: leg.kind,
      asset: leg.asset,
      holdTransferId: leg.hold_transfer_id,
      priceUsdE8: leg.price_usd_e8,
      leftAmount,
      leftUsd: leg.held_usd - leg.posted_usd - leg.released_usd,
    };
  });
}

/** An authorization as its events carry it; amounts are strings of cents. */
export function authorizationEventData(
  authorization: AuthorizationRow,
  change: {
    readonly state: AuthorizationRow['state'];
    readonly cleared?: bigint;
    readonly reversed?: bigint;
    readonly refunded?: bigint;
    readonly approvedAmount?: bigint;
    readonly holdAmount?: bigint;
  },
): Readonly<Record<string, unknown>> {
  return {
    authorization_id: authorization.id,
    account_id: authorization.account_id,
    card_id: authorization.card_id,
    state: change.state,
    decline_reason: authorization.decline_reason,
    currency: authorization.currency,
    requested_amount: authorization.requested_amount.toString(),
    approved_amount: (change.approvedAmount ?? authorization.approved_amount).toString(),
    hold_amount: (change.holdAmount ?? authorization.hold_amount).toString(),
    cleared_amount: (authorization.cleared_amount + (change.cleared ?? 0n)).toString(),
    reversed_amount: (authorization.reversed_amount + (change.reversed ?? 0n)).toString(),
    refunded_amount: (authorization.refunded_amount + (change.refunded ?? 0n)).toString(),
    merchant: authorization.merchant,
    channel: authorization.channel,
    expires_at: authorization.expires_at?.toISOString() ?? null,
  };
}

/** A card transaction as its events carry it. */
export function transactionEventData(
  context: CardEventContext,
  transaction: {
    readonly id: string;
    readonly kind: string;
    readonly authorizationId: string | null;
    readonly forced: boolean;
  },
  legs: readonly {
    readonly kind: string;
    readonly asset: string;
    readonly amount: bigint;
    readonly amountUsd: bigint;
  }[],
): Readonly<Record<string, unknown>> {
  const { event } = context;
  return {
    card_transaction_id: transaction.id,
    kind: transaction.kind,
    state: 'posted',
    account_id: context.account.id,
    card_id: context.cardId,
    authorization_id: transaction.authorizationId,
    forced: transaction.forced,
    amount: event.amount.toString(),
    currency: event.currency,
    merchant_amount: event.merchantAmount.toString(),
    merchant_currency: event.merchantCurrency,
    merchant: event.merchant,
    effective_at: event.effectiveAt.toISOString(),
    legs: legs.map((leg) => ({
      kind: leg.kind,
      asset: leg.asset,
      amount: leg.amount.toString(),
      amount_usd: leg.amountUsd.toString(),
    })),
  };
}
