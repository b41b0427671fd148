import type { PendingWebhook } from '../shared/webhook-outbox';
import type { NetworkTransaction } from './transactions';

export type CardState = 'OPEN' | 'PAUSED' | 'CLOSED' | 'PENDING_ACTIVATION' | 'PENDING_FULFILLMENT';

export interface IssuedCard {
  readonly token: string;
  readonly accountToken: string;
  readonly programToken: string;
  readonly type: 'VIRTUAL' | 'PHYSICAL' | 'SINGLE_USE' | 'MERCHANT_LOCKED';
  readonly pan: string;
  readonly expMonth: string;
  readonly expYear: string;
  readonly created: string;
  memo: string;
  state: CardState;
}

/** One movement of money that the network settles. Positive is owed by the issuer. */
export interface SettlementEntry {
  readonly token: string;
  readonly transactionToken: string;
  readonly cardToken: string;
  readonly programToken: string;
  readonly eventToken: string;
  readonly type: 'CLEARING' | 'FINANCIAL';
  readonly amount: number;
  readonly created: string;
  /** The day it was settled with, once that day is closed. */
  settlementDate: string | null;
}

export interface SettledDay {
  readonly date: string;
  readonly netAmount: number;
  readonly bankReference: string;
  readonly closedAt: string;
  /** Whether the bank has booked it; a day of zero needs no booking. */
  booked: boolean;
}

/** Everything the network knows, in one document: a transaction, its settlement entry and its webhook are stored together. */
export interface NetworkState {
  cards: Record<string, IssuedCard>;
  /** Card made under each idempotency key. */
  idempotency: Record<string, string>;
  transactions: Record<string, NetworkTransaction>;
  /** Transaction tokens, newest last. */
  order: string[];
  entries: SettlementEntry[];
  settledDays: Record<string, SettledDay>;
  endpoints: { asaUrl: string | null; eventsUrl: string | null; subscriptionToken: string | null };
  /** `whsec_…`, the newest first; the one before stays while it is rotated out. */
  secrets: { asa: string[]; events: string[] };
  settings: NetworkSettings;
  pending: PendingWebhook[];
}

interface NetworkSettings {
  /** What the network does when the issuer does not answer. */
  standIn: 'decline' | 'approve';
  /** How long an answer is waited for. */
  asaTimeoutMs: number;
}

interface InitialState {
  readonly asaUrl: string | null;
  readonly eventsUrl: string | null;
  readonly asaSecret: string;
  readonly eventsSecret: string;
  readonly asaTimeoutMs: number;
}

export function emptyNetworkState(initial: InitialState): NetworkState {
  return {
    cards: {},
    idempotency: {},
    transactions: {},
    order: [],
    entries: [],
    settledDays: {},
    endpoints: {
      asaUrl: initial.asaUrl,
      eventsUrl: initial.eventsUrl,
      subscriptionToken: initial.eventsUrl === null ? null : 'ep_configured',
    },
    secrets: { asa: [initial.asaSecret], events: [initial.eventsSecret] },
    settings: { standIn: 'decline', asaTimeoutMs: initial.asaTimeoutMs },
    pending: [],
  };
}
