import { formatId } from '../../shared/ids';
import { usdDocument } from '../../shared/money-document';
import type { DeclineReason } from './decline-reason';

/** An authorization as its events tell of it. Amounts are cents of USD, ids without prefix. */
export interface AuthorizationStanding {
  readonly id: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly state: string;
  readonly declineReason: DeclineReason | null;
  readonly requestedAmount: bigint;
  readonly approvedAmount: bigint;
  readonly holdAmount: bigint;
  readonly clearedAmount: bigint;
  readonly reversedAmount: bigint;
  readonly refundedAmount: bigint;
  readonly merchant: unknown;
  readonly channel: string;
  readonly expiresAt: Date | null;
}

/** The object of `authorization.*` events: ids with their prefix and money as documents, as the API shows them. */
export function authorizationEvent(standing: AuthorizationStanding) {
  return {
    id: formatId('authorization', standing.id),
    account_id: formatId('account', standing.accountId),
    card_id: formatId('card', standing.cardId),
    state: standing.state,
    decline_reason: standing.declineReason,
    requested: usdDocument(standing.requestedAmount),
    approved: usdDocument(standing.approvedAmount),
    hold: usdDocument(standing.holdAmount),
    cleared: usdDocument(standing.clearedAmount),
    reversed: usdDocument(standing.reversedAmount),
    refunded: usdDocument(standing.refundedAmount),
    merchant: standing.merchant,
    channel: standing.channel,
    expires_at: standing.expiresAt?.toISOString() ?? null,
  };
}
