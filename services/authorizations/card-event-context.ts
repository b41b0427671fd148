import type { AccountRow } from '../accounts/account.repository';
import type { CardEvent } from '../providers/processor/port';
import { formatId } from '../shared/ids';
import { usdDocument } from '../shared/money-document';
import type { AuthorizationRow, FundingLegRow } from './authorization.repository';
import type { PurchaseKey } from './card-event.repository';
import { authorizationEvent } from './rules/authorization-event';
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
  /** The event is on record and no more: the purchase's workflow has nothing to look at. */
  readonly nothingChanged?: true;
}

/** Whether all of a message's amount was handed out as cash, at a machine or a counter. */
export function isAllCash({ amount, cashAmount }: Pick<CardEvent, 'amount' | 'cashAmount'>): boolean {
  return amount > 0n && cashAmount === amount;
}

/** The purchase that an event is about; its id is null where it has no authorization. */
export function purchaseKeyOf(
  { organizationId, account, event }: CardEventContext,
  authorizationId: string | null,
): PurchaseKey {
  const { vendor, processorAuthorizationId } = event;
  return { organizationId, accountId: account.id, vendor, processorAuthorizationId, authorizationId };
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

/** An authorization as its events carry it, after a change. */
export function authorizationEventData(
  authorization: AuthorizationRow,
  change: {
    readonly state: AuthorizationRow['state'];
    readonly cleared?: bigint;
    readonly reversed?: bigint;
    readonly refunded?: bigint;
    readonly approvedAmount?: bigint;
    readonly holdAmount?: bigint;
    readonly expiresAt?: Date;
  },
): Readonly<Record<string, unknown>> {
  return authorizationEvent({
    id: authorization.id,
    accountId: authorization.account_id,
    cardId: authorization.card_id,
    state: change.state,
    declineReason: authorization.decline_reason,
    requestedAmount: authorization.requested_amount,
    approvedAmount: change.approvedAmount ?? authorization.approved_amount,
    holdAmount: change.holdAmount ?? authorization.hold_amount,
    clearedAmount: authorization.cleared_amount + (change.cleared ?? 0n),
    reversedAmount: authorization.reversed_amount + (change.reversed ?? 0n),
    refundedAmount: authorization.refunded_amount + (change.refunded ?? 0n),
    merchant: authorization.merchant,
    channel: authorization.channel,
    expiresAt: change.expiresAt ?? authorization.expires_at,
  });
}

/** A card transaction as its events carry it. */
export function transactionEventData(
  context: CardEventContext,
  transaction: {
    readonly id: string;
    readonly kind: string;
    readonly authorizationId: string | null;
    readonly forced: boolean;
    readonly feeAmount: bigint;
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
    id: formatId('cardTransaction', transaction.id),
    kind: transaction.kind,
    state: 'posted',
    account_id: formatId('account', context.account.id),
    card_id: formatId('card', context.cardId),
    authorization_id:
      transaction.authorizationId === null ? null : formatId('authorization', transaction.authorizationId),
    forced: transaction.forced,
    amount: usdDocument(event.amount),
    fee: usdDocument(transaction.feeAmount),
    merchant_amount: event.merchantAmount.toString(),
    merchant_currency: event.merchantCurrency,
    merchant: event.merchant,
    effective_at: event.effectiveAt.toISOString(),
    legs: legs.map((leg) => ({
      kind: leg.kind,
      asset: leg.asset,
      amount_base_units: leg.amount.toString(),
      covers: usdDocument(leg.amountUsd),
    })),
  };
}
