import request from 'supertest';
import type { AuthorizationRequest, CardEvent } from '../../services/providers/processor/port';
import type { Door, Outcome } from './journey-world';
import { signedHeaders } from './signed-message';

/** Where an api listens, and what Lithic signs its messages to it with. */
export interface LithicEndpoint {
  readonly url: string;
  readonly asaSecret: string;
  readonly eventsSecret: string;
}

type Json = Readonly<Record<string, unknown>>;

/** What Lithic is told for the reasons that journeys meet. */
const WORDS: Readonly<Record<string, string>> = {
  account_overdue: 'INSUFFICIENT_FUNDS',
  insufficient_funds: 'INSUFFICIENT_FUNDS',
  amount_limit_exceeded: 'VELOCITY_EXCEEDED',
  late: 'DO_NOT_HONOR',
  purchase_ended: 'DO_NOT_HONOR',
  duplicate_conflict: 'SUSPECTED_FRAUD',
};

/** An outcome as it looks from Lithic's side: an approval without its amount, a decline in few words, a webhook that was taken. */
export function heardByLithic(outcome: Outcome): Outcome {
  if (outcome === null) return null;
  if ('recorded' in outcome) return { recorded: 'recorded' };
  const { reply } = outcome;
  const reason = reply.reason === null ? null : (WORDS[reply.reason] ?? reply.reason);
  return { reply: { ...reply, approved: reply.outcome === 'approved' ? 0n : reply.approved, reason } };
}

const EVENT_TYPES: Readonly<Partial<Record<CardEvent['kind'], string>>> = {
  authorization_advice: 'AUTHORIZATION_ADVICE',
  clearing: 'CLEARING',
  reversal: 'AUTHORIZATION_REVERSAL',
  expiry: 'AUTHORIZATION_EXPIRY',
  refund: 'RETURN',
  refund_reversal: 'RETURN_REVERSAL',
};

/**
 * Brings messages to the signed ingress of an api, in Lithic's shapes: what is asked as Auth Stream Access, what has happened as
 * webhooks with the whole history of the transaction, as far as it was told before.
 */
export function lithicDoor(endpoint: LithicEndpoint): Door {
  const histories = new Map<string, readonly Json[]>();

  function post(path: string, secret: string, message: Json) {
    const body = JSON.stringify(message);
    return request(endpoint.url).post(path).set(signedHeaders(secret, body)).send(body);
  }

  return {
    async request(asked) {
      const answer = await post('/processors/lithic/authorizations', endpoint.asaSecret, toAsa(asked));
      if (answer.status !== 200) throw new Error(`asked, and answered ${answer.status}: ${answer.text}`);
      const { result, approved_amount: partly } = answer.body as { result: string; approved_amount?: number };
      if (result !== 'APPROVED') return { outcome: 'declined', approved: 0n, reason: result };
      return partly === undefined
        ? { outcome: 'approved', approved: 0n, reason: null }
        : { outcome: 'partially_approved', approved: BigInt(partly), reason: null };
    },
    async event(told) {
      const event = toEvent(told);
      const { processorAuthorizationId: token, final } = told;
      const history = histories.get(token) ?? [];
      const known = history.some((each) => each['token'] === event['token'] && each['amount'] === event['amount']);
      const events = known ? history : [...history.filter((each) => each['token'] !== event['token']), event];
      const answer = await post('/processors/lithic/events', endpoint.eventsSecret, {
        event_type: 'card_transaction.updated',
        token,
        card_token: told.cardToken,
        merchant: merchantOf(told),
        pos: posOf(told),
        amounts: { hold: { amount: final ? 0 : -1, currency: told.currency } },
        events,
      });
      if (answer.status !== 200) throw new Error(`told, and answered ${answer.status}: ${answer.text}`);
      // What comes again with other content is no part of the history.
      const before = histories.get(token) ?? [];
      if (!before.some((each) => each['token'] === event['token'])) histories.set(token, [...before, event]);
      return 'recorded';
    },
    close: async () => undefined,
  };
}

function toAsa(asked: AuthorizationRequest): Json {
  const credit = asked.kind === 'refund_authorization';
  const cents = Number(asked.amount) * (credit ? -1 : 1);
  const merchantCents = Number(asked.merchantAmount) * (credit ? -1 : 1);
  return {
    token: asked.processorAuthorizationId,
    event_token: asked.messageId,
    status: credit ? 'CREDIT_AUTHORIZATION' : asked.kind === 'balance_inquiry' ? 'BALANCE_INQUIRY' : 'AUTHORIZATION',
    created: asked.occurredAt.toISOString(),
    authorization_amount: cents,
    cardholder_currency: asked.currency,
    merchant_amount: merchantCents,
    merchant_currency: asked.merchantCurrency,
    amounts: {
      cardholder: { amount: cents, currency: asked.currency },
      merchant: { amount: merchantCents, currency: asked.merchantCurrency },
    },
    cash_amount: Number(asked.cashAmount),
    card: { token: asked.cardToken },
    merchant: merchantOf(asked),
    avs: { address_on_file_match: 'NOT_PRESENT' },
    pos: posOf(asked),
  };
}

function toEvent(told: CardEvent): Json {
  const type = EVENT_TYPES[told.kind];
  if (type === undefined) throw new Error(`Lithic has no event for ${told.kind}`);
  const cents = Number(told.amount);
  const money = { amount: cents, currency: told.currency };
  const moves = told.kind === 'clearing' || told.kind === 'refund' || told.kind === 'refund_reversal';
  return {
    token: told.messageId,
    type,
    result: 'APPROVED',
    detailed_results: ['APPROVED'],
    effective_polarity: told.kind === 'refund_reversal' ? 'DEBIT' : 'CREDIT',
    created: told.effectiveAt.toISOString(),
    amount: cents,
    amounts: {
      cardholder: money,
      merchant: { amount: Number(told.merchantAmount), currency: told.merchantCurrency },
      settlement: moves ? money : null,
    },
  };
}

function merchantOf({ merchant }: Pick<CardEvent, 'merchant'>): Json {
  const { id, name, city, country, mcc } = merchant;
  return { acceptor_id: id, descriptor: name, city, country, mcc };
}

function posOf(
  message: Pick<CardEvent, 'channel'> & Partial<Pick<AuthorizationRequest, 'partialApprovalAllowed'>>,
): Json {
  return {
    entry_mode: { pan: 'ICC', cardholder: 'PRESENT' },
    terminal: {
      partial_approval_capable: message.partialApprovalAllowed ?? false,
      type: message.channel === 'atm' ? 'ATM' : 'POS_TERMINAL',
    },
  };
}
