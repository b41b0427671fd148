import { createHash } from 'node:crypto';
import { invariant } from '../../../shared/assert';
import type {
  AddressVerification,
  AuthorizationReply,
  AuthorizationRequest,
  AuthorizationRequestKind,
  CardEvent,
  CardEventKind,
  Channel,
  FleetData,
  Merchant,
  UnknownVendorMessage,
} from '../port';
import { DECLINE_WORDS } from './decline-words';
import type { AsaRequest, AsaResponse, PointOfSale, Transaction, TransactionEvent } from './wire';

export const VENDOR = 'lithic';

/** Lithic declines after 6 s without an answer; it asks for one within 3 s, because merchants give up sooner than Lithic does. */
export const RESPONSE_LIMIT_MS = 3_000;
/** For the way back, and for a clock that is not quite the database's. */
export const RESPONSE_MARGIN_MS = 500;

const CASH_MERCHANT_CODES: ReadonlySet<string> = new Set(['6010', '6011']);

/** Translates an Auth Stream Access request. `signedMessageId` is its `webhook-id`, which a repetition keeps. */
export function toAuthorizationRequest(
  body: AsaRequest,
  signedMessageId: string,
  receivedAt: Date,
  contentHash: string,
): AuthorizationRequest {
  const billed = body.amounts?.cardholder ?? { amount: body.authorization_amount, currency: body.cardholder_currency };
  const local = body.amounts?.merchant ?? { amount: body.merchant_amount, currency: body.merchant_currency };
  const amount = magnitude(billed.amount);
  return {
    vendor: VENDOR,
    messageId: body.event_token ?? signedMessageId,
    processorAuthorizationId: body.token,
    cardToken: body.card.token,
    kind: toRequestKind(body, amount),
    amount,
    // "When Lithic approves this type of request, the amount the merchant is authorized to transact on then increases":
    // a second request under the same token adds to the first.
    amountBasis: 'delta',
    currency: billed.currency,
    merchantAmount: magnitude(local.amount),
    merchantCurrency: local.currency,
    merchant: toMerchant(body.merchant),
    channel: toChannel(body.pos),
    partialApprovalAllowed: body.pos?.terminal?.partial_approval_capable ?? false,
    // Of a withdrawal all is cash, whether its cash amount says so or is left at nothing.
    cashAmount: isCashWithdrawal(body) ? amount : magnitude(body.cash_amount),
    avs: toAddressVerification(body.avs?.address_on_file_match),
    // Lithic checks the security code itself and declines a wrong one without asking.
    cvc: 'not_provided',
    fleet: toFleet(body.fleet_info),
    occurredAt: parseTimestamp(body.created),
    respondBy: new Date(receivedAt.getTime() + RESPONSE_LIMIT_MS - RESPONSE_MARGIN_MS),
    contentHash,
  };
}

/** Lithic's request carries the prompts for driver and vehicle, never the odometer or what was filled. */
function toFleet(info: AsaRequest['fleet_info']): FleetData | null {
  if (!info) return null;
  return {
    driverId: info.driver_number ?? null,
    vehicleId: info.vehicle_number ?? null,
    odometer: null,
    fuelVolumeMl: null,
    fuelType: null,
  };
}

/** Whether the sign of the amount is the one that its kind of request must have. */
export function hasPlausibleSign(body: AsaRequest): boolean {
  const amount = body.amounts?.cardholder.amount ?? body.authorization_amount;
  if (body.status === 'CREDIT_AUTHORIZATION' || body.status === 'FINANCIAL_CREDIT_AUTHORIZATION') return amount <= 0;
  return amount >= 0 && body.cash_amount >= 0;
}

function toRequestKind(body: AsaRequest, amount: bigint): AuthorizationRequestKind {
  switch (body.status) {
    case 'BALANCE_INQUIRY':
      return 'balance_inquiry';
    case 'CREDIT_AUTHORIZATION':
    case 'FINANCIAL_CREDIT_AUTHORIZATION':
      return 'refund_authorization';
    case 'AUTHORIZATION':
    case 'FINANCIAL_AUTHORIZATION':
      if (isCashWithdrawal(body)) return 'cash_withdrawal';
      return amount === 0n ? 'zero_amount_verification' : 'authorization';
  }
}

/** Cash from a machine or over a counter: all of the amount is cash. */
function isCashWithdrawal(message: { readonly pos?: PointOfSale; readonly merchant: AsaRequest['merchant'] }): boolean {
  return message.pos?.terminal?.type === 'ATM' || CASH_MERCHANT_CODES.has(message.merchant.mcc);
}

const CHANNEL_OF_ENTRY: ReadonlyMap<string, Channel> = new Map<string, Channel>([
  ['CONTACTLESS', 'contactless'],
  ['ICC', 'chip'],
  ['MAGNETIC_STRIPE', 'magstripe'],
  ['ERROR_MAGNETIC_STRIPE', 'magstripe'],
  ['ECOMMERCE', 'ecommerce'],
  ['CREDENTIAL_ON_FILE', 'ecommerce'],
  ['SECURE_CARDLESS', 'ecommerce'],
  ['KEY_ENTERED', 'manual'],
  ['MANUAL', 'manual'],
  ['ERROR_KEYED', 'manual'],
  ['OCR', 'manual'],
]);

function toChannel(pos: PointOfSale): Channel {
  const entry = pos?.entry_mode;
  const terminal = pos?.terminal?.type;
  if (terminal === 'ATM') return 'atm';
  if (entry?.cardholder === 'REOCCURRING' || entry?.cardholder === 'INSTALLMENT') return 'recurring';
  if (entry?.cardholder === 'ELECTRONIC_ORDER' || terminal === 'ECOMMERCE') return 'ecommerce';
  return CHANNEL_OF_ENTRY.get(entry?.pan ?? '') ?? 'unknown';
}

const ADDRESS_VERIFICATION: ReadonlyMap<string, AddressVerification> = new Map<string, AddressVerification>([
  ['MATCH', 'match'],
  ['MATCH_ZIP_ONLY', 'postal_code_match'],
  ['MATCH_ADDRESS_ONLY', 'address_match'],
  ['MISMATCH', 'mismatch'],
]);

function toAddressVerification(word: string | null | undefined): AddressVerification {
  return ADDRESS_VERIFICATION.get(word ?? '') ?? 'not_provided';
}

const AVS_RESULT: Readonly<Record<AddressVerification, AsaResponse['avs_result'] | null>> = {
  match: 'MATCH',
  postal_code_match: 'MATCH_ZIP_ONLY',
  address_match: 'MATCH_ADDRESS_ONLY',
  mismatch: 'FAIL',
  not_provided: null,
};

/**
 * Our decision in Lithic's words. Without an AVS result Lithic would tell the merchant that the address matched, so what is
 * known is always said. A partial approval where the terminal cannot take one would decline at Lithic and leave our hold.
 */
export function toAsaResponse(reply: AuthorizationReply, request: AuthorizationRequest): AsaResponse {
  if (reply.outcome === 'declined') {
    const result = reply.declineReason === null ? 'DO_NOT_HONOR' : DECLINE_WORDS[reply.declineReason];
    return { token: request.processorAuthorizationId, result };
  }
  const partial = reply.outcome === 'partially_approved';
  invariant(!partial || request.partialApprovalAllowed, 'a partial approval for a terminal that cannot take one');
  const avs = AVS_RESULT[request.avs];
  return {
    token: request.processorAuthorizationId,
    result: 'APPROVED',
    ...(partial ? { approved_amount: toWireAmount(reply.approvedAmount) } : {}),
    ...(avs ? { avs_result: avs } : {}),
    ...(reply.balance === null ? {} : { balance: toWireBalance(reply.balance) }),
  };
}

function toWireBalance(cents: bigint): NonNullable<AsaResponse['balance']> {
  const amount = toWireAmount(cents);
  return { amount, available: amount };
}

/** Lithic's amounts are JSON integers: exact below 2^53. */
export function toWireAmount(cents: bigint): number {
  invariant(cents >= 0n && cents <= BigInt(Number.MAX_SAFE_INTEGER), 'an amount does not fit an exact JSON integer');
  return Number(cents);
}

interface CardEventMeaning {
  readonly kind: CardEventKind;
  readonly final: boolean;
  readonly messageId: string;
  /** The request that was declined. */
  readonly reversedMessageId: string | null;
  /** The request that is cleared in the same message. */
  readonly clearedMessageId: string | null;
}

/** What an event means for us: a card event, nothing (it is known and moves nothing of ours), or that we do not know. */
type EventMeaning =
  | CardEventMeaning
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unknown'; readonly detail: string };

interface EventContext {
  readonly event: TransactionEvent;
  readonly earlier: readonly TransactionEvent[];
  readonly later: readonly TransactionEvent[];
  /** The hold that Lithic has left after the last event. */
  readonly holdLeft: bigint;
}

const NOTHING: EventMeaning = { kind: 'nothing' };

/** Events that take from the cardholder, and that a return in the same transaction therefore belongs to. */
const PURCHASE_TYPES: ReadonlySet<string> = new Set([
  'AUTHORIZATION',
  'FINANCIAL_AUTHORIZATION',
  'AUTHORIZATION_ADVICE',
  'CLEARING',
]);

/** Events that say more of a hold: one that follows a clearing is what ended the hold, or may have. */
const HOLDING_TYPES: ReadonlySet<string> = new Set([
  ...PURCHASE_TYPES,
  'AUTHORIZATION_REVERSAL',
  'AUTHORIZATION_EXPIRY',
]);

const EVENT_MEANING: Readonly<Record<string, (context: EventContext) => EventMeaning>> = {
  AUTHORIZATION: ({ event, later }) => {
    if (approved(event)) return NOTHING;
    // Where the network stands in and approves, its advice in the same message is the truth.
    if (later.some((other) => other.type === 'AUTHORIZATION_ADVICE' && approved(other))) return NOTHING;
    return declined(event);
  },
  FINANCIAL_AUTHORIZATION: ({ event }) =>
    approved(event)
      ? { ...meaning('clearing', outcomeId(event), true), clearedMessageId: event.token }
      : declined(event),
  FINANCIAL_CREDIT_AUTHORIZATION: ({ event }) => (approved(event) ? meaning('refund', outcomeId(event)) : NOTHING),
  AUTHORIZATION_ADVICE: ({ event, earlier }) => {
    if (approved(event)) return meaning('authorization_advice', event.token);
    const takesBack = earlier.some((other) => other.type === 'AUTHORIZATION' && approved(other));
    return takesBack ? meaning('reversal', event.token) : NOTHING;
  },
  // Against a credit authorization (polarity DEBIT) these end something that never was a hold.
  AUTHORIZATION_REVERSAL: ({ event, earlier }) => {
    if (!approved(event) || event.effective_polarity !== 'CREDIT') return NOTHING;
    // A single message holds nothing: where there was no other, what is reversed is money that moved.
    const purchases = earlier.filter((other) => PURCHASE_TYPES.has(other.type) && approved(other));
    return purchases.length > 0 && purchases.every((other) => other.type === 'FINANCIAL_AUTHORIZATION')
      ? { kind: 'unknown', detail: 'the network reversed a single-message purchase that was approved' }
      : meaning('reversal', event.token);
  },
  AUTHORIZATION_EXPIRY: ({ event }) =>
    approved(event) && event.effective_polarity === 'CREDIT' ? meaning('expiry', event.token) : NOTHING,
  CLEARING: ({ event, earlier, later, holdLeft }) => {
    if (approved(event)) {
      const goesOn = later.some((other) => HOLDING_TYPES.has(other.type) && approved(other));
      return meaning('clearing', event.token, holdLeft === 0n && !goesOn);
    }
    const takesBack = earlier.some((other) => other.type === 'FINANCIAL_AUTHORIZATION' && approved(other));
    return takesBack
      ? { kind: 'unknown', detail: 'the network declined a single-message purchase that was approved' }
      : NOTHING;
  },
  RETURN: ({ event }) => (approved(event) ? meaning('refund', event.token) : NOTHING),
  RETURN_REVERSAL: ({ event }) => (approved(event) ? meaning('refund_reversal', event.token) : NOTHING),
  // A pending credit raises no spending power, and a balance inquiry moves nothing.
  CREDIT_AUTHORIZATION: () => NOTHING,
  CREDIT_AUTHORIZATION_ADVICE: () => NOTHING,
  BALANCE_INQUIRY: () => NOTHING,
};

/**
 * The card events in one `card_transaction.updated`. Lithic sends the whole history each time, so each event is named by its
 * own token (and hashed on its own content, which does not change when later events join it): the caller acts on unseen ones.
 */
export function toCardEvents(transaction: Transaction): {
  readonly events: readonly CardEvent[];
  readonly unknown: readonly UnknownVendorMessage[];
} {
  const events: CardEvent[] = [];
  const unknown: UnknownVendorMessage[] = [];
  const holdLeft = magnitude(transaction.amounts.hold.amount);
  for (const [index, event] of transaction.events.entries()) {
    const earlier = transaction.events.slice(0, index);
    const later = transaction.events.slice(index + 1);
    const understood = Object.hasOwn(EVENT_MEANING, event.type) ? EVENT_MEANING[event.type] : undefined;
    const found: EventMeaning = understood?.({ event, earlier, later, holdLeft }) ?? {
      kind: 'unknown',
      detail: `card transaction event of type ${event.type.slice(0, 60)}`,
    };
    if (found.kind === 'nothing') continue;
    const contentHash = hashEvent(transaction, event);
    if (found.kind === 'unknown') {
      unknown.push({ vendor: VENDOR, messageId: event.token, detail: found.detail, contentHash });
      continue;
    }
    events.push({
      vendor: VENDOR,
      messageId: found.messageId,
      processorAuthorizationId: transaction.token,
      cardToken: transaction.card_token,
      kind: found.kind,
      ...toEventMoney(event, isCashWithdrawal(transaction)),
      amountBasis: found.kind === 'authorization_advice' ? 'total' : 'delta',
      channel: toChannel(transaction.pos),
      reversedMessageId: found.reversedMessageId,
      clearedMessageId: found.clearedMessageId,
      merchantAmount: magnitude(event.amounts.merchant.amount),
      merchantCurrency: event.amounts.merchant.currency,
      merchant: toMerchant(transaction.merchant),
      final: found.final,
      originalProcessorAuthorizationId:
        (found.kind === 'refund' || found.kind === 'refund_reversal') &&
        earlier.some((other) => PURCHASE_TYPES.has(other.type))
          ? transaction.token
          : null,
      effectiveAt: parseTimestamp(event.created),
      contentHash,
    });
  }
  return { events, unknown };
}

function meaning(kind: CardEventKind, messageId: string, final = false): CardEventMeaning {
  return { kind, messageId, final, reversedMessageId: null, clearedMessageId: null };
}

/**
 * What we may have approved of the request did not come about: our answer was late or lost, or Lithic declined for a reason of its
 * own. Its words do not tell these from our own declines, which took nothing that could be given back.
 */
function declined(event: TransactionEvent): EventMeaning {
  return {
    kind: 'reversal',
    messageId: outcomeId(event),
    final: false,
    reversedMessageId: event.token,
    clearedMessageId: null,
  };
}

/** The outcome of a request has the token that the request itself had as its message id: told apart by a suffix. */
function outcomeId(event: TransactionEvent): string {
  return `${event.token}:outcome`;
}

function approved(event: TransactionEvent): boolean {
  return event.result === 'APPROVED';
}

/**
 * Money that moved counts in the settlement amount ("actual funds movement occurs in the settlement amount"), a hold in the
 * cardholder's currency. Where Lithic leaves the structured amount at zero, its older `amount` field carries it.
 */
function toEventMoney(
  event: TransactionEvent,
  cash: boolean,
): { readonly amount: bigint; readonly currency: string; readonly cashAmount: bigint } {
  const structured = event.amounts.settlement ?? event.amounts.cardholder;
  const stated = magnitude(structured.amount);
  const amount = stated === 0n ? magnitude(event.amount) : stated;
  return { amount, currency: structured.currency, cashAmount: cash ? amount : 0n };
}

function hashEvent(transaction: Transaction, event: TransactionEvent): string {
  const { token, type, result, created, amount, amounts } = event;
  const content = [
    transaction.token,
    transaction.card_token,
    token,
    type,
    result,
    created,
    amount,
    amounts.cardholder.amount,
    amounts.cardholder.currency,
    amounts.merchant.amount,
    amounts.merchant.currency,
    amounts.settlement?.amount ?? null,
    amounts.settlement?.currency ?? null,
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

function toMerchant(merchant: AsaRequest['merchant']): Merchant {
  return {
    id: readable(merchant.acceptor_id),
    name: readable(merchant.descriptor),
    city: readable(merchant.city ?? ''),
    country: readable(merchant.country),
    mcc: readable(merchant.mcc),
  };
}

const UNREADABLE = /\p{Cc}|\p{Cs}/gu;

/**
 * What a terminal sent as its own name is shown, searched and compared later: control characters and halves of characters,
 * which no database takes back out of JSON, become the sign for an unreadable one.
 */
function readable(text: string): string {
  return text.replace(UNREADABLE, '\ufffd');
}

/** Lithic's signs differ between requests, transactions and events; the kind already says which way money goes. */
function magnitude(amount: number): bigint {
  return BigInt(Math.abs(amount));
}

/** A time in Lithic's words, which is UTC where it does not say. */
export function parseTimestamp(text: string): Date {
  const zoned = /(?:Z|[+-]\d{2}:\d{2})$/.test(text) ? text : `${text}Z`;
  return new Date(zoned);
}
