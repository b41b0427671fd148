import { createHash } from 'node:crypto';
import type {
  NetworkSettlementItem,
  NetworkSettlementSummary,
  Processor,
  ProcessorCard,
  ProcessorCardState,
  RequestStanding,
  VendorOutcome,
} from '../port';
import type { LithicClient } from './client';
import { parseTimestamp, VENDOR } from './mapping';
import {
  type Card,
  cardListShape,
  cardShape,
  settlementDetailListShape,
  settlementSummaryShape,
  type TransactionRequests,
  transactionRequestsShape,
} from './wire';

const PAGE_SIZE = 100;
/** Events of what may hold money and was asked for first. */
const REQUEST_TYPES: ReadonlySet<string> = new Set(['AUTHORIZATION', 'FINANCIAL_AUTHORIZATION']);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const CARD_STATE: Readonly<Record<Card['state'], ProcessorCard['state']>> = {
  OPEN: 'active',
  PAUSED: 'paused',
  CLOSED: 'closed',
  PENDING_ACTIVATION: 'pending_activation',
  PENDING_FULFILLMENT: 'pending_activation',
};

const VENDOR_STATE: Readonly<Record<ProcessorCardState, Card['state']>> = {
  active: 'OPEN',
  paused: 'PAUSED',
  closed: 'CLOSED',
};

const CARD_TYPE = { virtual: 'VIRTUAL', physical: 'PHYSICAL' } as const;

export interface LithicProgram {
  /** Network of the card program: Lithic's cards do not say. */
  readonly network: ProcessorCard['network'];
  /** Currency of the card program's settlement. */
  readonly currency: string;
}

/** The issuing side of Lithic: cards and settlement reports. */
export function createLithicProcessor(client: LithicClient, program: LithicProgram): Processor {
  const toCard = (card: Card): ProcessorCard => ({
    cardToken: card.token,
    lastFour: card.last_four,
    expiryMonth: Number.parseInt(card.exp_month, 10),
    expiryYear: Number.parseInt(card.exp_year, 10),
    state: CARD_STATE[card.state],
    network: program.network,
  });

  return {
    vendor: VENDOR,

    async createCard({ idempotencyKey, kind, memo, programToken }) {
      const key = toIdempotencyUuid(idempotencyKey);
      const created = await client.call({
        method: 'POST',
        path: '/v1/cards',
        // Lithic cannot be searched by idempotency key, but by memo: the key is written there, so that a lost answer can be found.
        body: { type: CARD_TYPE[kind], state: 'OPEN', memo: `${memo} ${key}`, card_program_token: programToken },
        idempotencyKey: key,
        shape: cardShape,
      });
      return mapOutcome(created, toCard);
    },

    async findCard(idempotencyKey) {
      const key = toIdempotencyUuid(idempotencyKey);
      const found = await client.call({
        method: 'GET',
        path: `/v1/cards?memo=${key}&page_size=2`,
        shape: cardListShape,
      });
      return mapOutcome(found, ({ data }) => {
        const card = data.find(({ memo }) => memo?.endsWith(` ${key}`));
        return card === undefined ? null : toCard(card);
      });
    },

    async getCard(cardToken) {
      return mapOutcome(await client.call({ method: 'GET', path: cardPath(cardToken), shape: cardShape }), toCard);
    },

    async setCardState(cardToken, state) {
      const body = { state: VENDOR_STATE[state] };
      return mapOutcome(
        await client.call({ method: 'PATCH', path: cardPath(cardToken), body, shape: cardShape }),
        toCard,
      );
    },

    async findRequest({ processorAuthorizationId, messageId, opens }) {
      const named = UUID.test(messageId);
      if (!named && !opens) return UNNAMED;
      const found = await client.call({
        method: 'GET',
        path: `/v1/transactions/${encodeURIComponent(processorAuthorizationId)}`,
        shape: transactionRequestsShape,
      });
      if (found.kind === 'rejected' && found.code === 'not_found') return { kind: 'ok', value: 'not_recorded' };
      if (found.kind !== 'ok') return found;
      const { events } = found.value;
      if (!events) return UNTOLD;
      return named ? { kind: 'ok', value: standingOf(events, messageId) } : standingOfOnly(events);
    },

    async settlementSummary(date) {
      const day = encodeURIComponent(date);
      const summary = await client.call({
        method: 'GET',
        path: `/v1/reports/settlement/summary/${day}`,
        shape: settlementSummaryShape,
      });
      if (summary.kind !== 'ok') return summary;
      const reported = summary.value.details
        .filter(({ currency }) => currency === program.currency)
        .reduce((sum, detail) => sum + BigInt(detail.settled_net_amount), 0n);

      let clearingsAmount = 0n;
      let refundsAmount = 0n;
      let otherAmount = 0n;
      const transactions = new Set<string>();
      const items: NetworkSettlementItem[] = [];
      for (let after: string | null = null, more = true; more; ) {
        const page = await readDetails(client, day, after);
        if (page.kind !== 'ok') return page;
        for (const detail of page.value.data) {
          if (detail.currency !== program.currency) continue;
          const amount = BigInt(detail.transactions_gross_amount);
          if (detail.type !== 'CLEARING' && detail.type !== 'FINANCIAL') otherAmount += amount;
          else if (amount >= 0n) clearingsAmount += amount;
          else refundsAmount -= amount;
          transactions.add(detail.transaction_token);
          items.push({ cardToken: detail.card_token, messageIds: detail.event_tokens, amount });
        }
        after = page.value.data.at(-1)?.token ?? null;
        more = page.value.has_more && after !== null;
      }
      // Interchange, fees and disputes are netted into the summary only; until they are booked, a report with them is not ours to sum.
      const netAmount = clearingsAmount - refundsAmount + otherAmount;
      if (netAmount !== reported) {
        return {
          kind: 'unknown',
          detail: `settlement of ${date}: the details sum to ${netAmount}, the summary says ${reported}`,
        };
      }
      const value: NetworkSettlementSummary = {
        date,
        currency: program.currency,
        netAmount,
        clearingsAmount,
        refundsAmount,
        transactionCount: transactions.size,
        bankReference: `LITHIC-SETTLEMENT-${date}`,
        items,
        isComplete: summary.value.is_complete,
        // Of the summary, which was read before the details: they are never older than it says.
        updatedAt: parseTimestamp(summary.value.updated),
      };
      return { kind: 'ok', value };
    },
  };
}

const UNTOLD: VendorOutcome<RequestStanding> = { kind: 'unknown', detail: 'the transaction came without its events' };
const UNNAMED: VendorOutcome<RequestStanding> = {
  kind: 'unknown',
  detail: 'Lithic named the request by its delivery only, which no transaction shows',
};

/** Of a request that has no token to find it by, and that the transaction began with: the only one that there is. */
function standingOfOnly(events: NonNullable<TransactionRequests['events']>): VendorOutcome<RequestStanding> {
  const requests = events.filter(({ type }) => REQUEST_TYPES.has(type));
  const [only] = requests;
  if (only === undefined) return { kind: 'ok', value: 'not_recorded' };
  return requests.length > 1 ? UNNAMED : { kind: 'ok', value: standingOf(events, only.token) };
}

/** Where the network stood in for an answer, its advice after the declined request says that it went ahead. */
function standingOf(events: NonNullable<TransactionRequests['events']>, requestToken: string): RequestStanding {
  const index = events.findIndex(({ token }) => token === requestToken);
  const request = events[index];
  if (request === undefined) return 'not_recorded';
  if (request.result === 'APPROVED') return 'approved';
  const stoodIn = events
    .slice(index + 1)
    .some(({ type, result }) => type === 'AUTHORIZATION_ADVICE' && result === 'APPROVED');
  return stoodIn ? 'approved' : 'declined';
}

function readDetails(client: LithicClient, day: string, after: string | null) {
  const cursor = after === null ? '' : `&starting_after=${encodeURIComponent(after)}`;
  return client.call({
    method: 'GET',
    path: `/v1/reports/settlement/details/${day}?page_size=${PAGE_SIZE}${cursor}`,
    shape: settlementDetailListShape,
  });
}

function cardPath(cardToken: string): string {
  return `/v1/cards/${encodeURIComponent(cardToken)}`;
}

export function mapOutcome<A, B>(outcome: VendorOutcome<A>, map: (value: A) => B): VendorOutcome<B> {
  return outcome.kind === 'ok' ? { kind: 'ok', value: map(outcome.value) } : outcome;
}

/** Lithic takes UUIDs as idempotency keys: any other key is turned into one, always the same. */
function toIdempotencyUuid(key: string): string {
  if (UUID.test(key)) return key;
  const hash = createHash('sha256').update(key).digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
