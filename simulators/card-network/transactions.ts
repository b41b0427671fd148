import { randomUUID } from 'node:crypto';

type EventType =
  | 'AUTHORIZATION'
  | 'AUTHORIZATION_ADVICE'
  | 'AUTHORIZATION_EXPIRY'
  | 'AUTHORIZATION_REVERSAL'
  | 'BALANCE_INQUIRY'
  | 'CLEARING'
  | 'CREDIT_AUTHORIZATION'
  | 'CREDIT_AUTHORIZATION_ADVICE'
  | 'FINANCIAL_AUTHORIZATION'
  | 'FINANCIAL_CREDIT_AUTHORIZATION'
  | 'RETURN'
  | 'RETURN_REVERSAL';

type TransactionStatus = 'DECLINED' | 'EXPIRED' | 'PENDING' | 'SETTLED' | 'VOIDED';

export interface NetworkMerchant {
  readonly acceptor_id: string;
  readonly acquiring_institution_id: string;
  readonly city: string;
  readonly country: string;
  readonly descriptor: string;
  readonly mcc: string;
  readonly state: string;
  readonly phone_number: null;
  readonly postal_code: null;
  readonly street_address: null;
}

interface NetworkEvent {
  readonly token: string;
  readonly type: EventType;
  readonly result: string;
  readonly detailedResults: readonly string[];
  readonly polarity: 'CREDIT' | 'DEBIT';
  readonly created: string;
  /** Cents of the billing currency, as asked for by the merchant, whatever was approved. */
  readonly amount: number;
  /** Cents that a financial event moved. Missing where that is `amount`: all of it, or in states saved before this was kept. */
  readonly moved?: number;
}

export interface NetworkTransaction {
  readonly token: string;
  readonly cardToken: string;
  readonly accountToken: string;
  readonly programToken: string;
  readonly created: string;
  updated: string;
  readonly merchant: NetworkMerchant;
  readonly pos: Readonly<Record<string, unknown>>;
  readonly avs: Readonly<Record<string, unknown>>;
  /** Missing in states saved before fuel cards. */
  readonly fleetInfo?: Readonly<Record<string, unknown>> | null;
  readonly merchantCurrency: string;
  /** The rate between the merchant's and the billing currency, pinned at the first event. */
  readonly rate: { readonly merchant: number; readonly billing: number };
  readonly partialApprovalCapable: boolean;
  /** Sum of what was authorized; an advice replaces it. */
  authorized: number;
  pendingDebit: number;
  pendingCredit: number;
  cleared: number;
  returned: number;
  status: TransactionStatus;
  result: string;
  events: NetworkEvent[];
}

const FINANCIAL_TYPES: ReadonlySet<EventType> = new Set([
  'CLEARING',
  'FINANCIAL_AUTHORIZATION',
  'FINANCIAL_CREDIT_AUTHORIZATION',
  'RETURN',
  'RETURN_REVERSAL',
]);
const CREDIT_TYPES: ReadonlySet<EventType> = new Set([
  'CREDIT_AUTHORIZATION',
  'CREDIT_AUTHORIZATION_ADVICE',
  'FINANCIAL_CREDIT_AUTHORIZATION',
  'RETURN',
]);

export const BILLING_CURRENCY = 'USD';

export function isFinancial(type: EventType): boolean {
  return FINANCIAL_TYPES.has(type);
}

/** Cents that the issuer owes for an approved financial event; negative where it is owed. */
export function settlementAmount(event: NetworkEvent): number {
  if (event.result !== 'APPROVED' || !isFinancial(event.type)) return 0;
  const moved = movedAmount(event);
  return CREDIT_TYPES.has(event.type) ? -moved : moved;
}

function movedAmount(event: NetworkEvent): number {
  return event.moved ?? event.amount;
}

export interface EventInput {
  readonly type: EventType;
  readonly amount: number;
  readonly result?: string;
  readonly detailedResults?: readonly string[];
  /** Cents approved, where it is less than was asked for. */
  readonly approvedAmount?: number;
  /** Token that the request for a decision already carried. */
  readonly token?: string;
}

/** Adds an event and moves the transaction's sums as the published transaction flow does. */
export function addEvent(transaction: NetworkTransaction, input: EventInput, now: Date): NetworkEvent {
  const result = input.result ?? 'APPROVED';
  const approved = result === 'APPROVED';
  const amount = input.amount;
  const effective = input.approvedAmount ?? amount;
  const onCredit = transaction.events.some(
    ({ type }) => type === 'CREDIT_AUTHORIZATION' || type === 'CREDIT_AUTHORIZATION_ADVICE',
  );

  if (approved) applyApproved(transaction, input.type, amount, effective);
  else if (input.type === 'AUTHORIZATION_ADVICE') transaction.pendingDebit = 0;

  const event: NetworkEvent = {
    token: input.token ?? randomUUID(),
    type: input.type,
    result,
    detailedResults: input.detailedResults ?? [result],
    polarity: polarityOf(input.type, onCredit),
    created: now.toISOString(),
    amount,
    ...(approved && input.type === 'FINANCIAL_AUTHORIZATION' && effective !== amount ? { moved: effective } : {}),
  };
  transaction.events.push(event);
  transaction.updated = event.created;
  transaction.result = result;
  transaction.status = statusOf(transaction);
  return event;
}

function applyApproved(transaction: NetworkTransaction, type: EventType, amount: number, effective: number): void {
  switch (type) {
    case 'AUTHORIZATION':
      transaction.authorized += effective;
      transaction.pendingDebit += effective;
      break;
    case 'FINANCIAL_AUTHORIZATION':
      transaction.authorized += effective;
      transaction.cleared += effective;
      break;
    case 'CREDIT_AUTHORIZATION':
    case 'CREDIT_AUTHORIZATION_ADVICE':
      transaction.pendingCredit += amount;
      break;
    case 'FINANCIAL_CREDIT_AUTHORIZATION':
      transaction.returned += amount;
      break;
    case 'AUTHORIZATION_ADVICE':
      transaction.authorized = amount;
      transaction.pendingDebit = Math.max(0, amount - transaction.cleared);
      break;
    case 'AUTHORIZATION_REVERSAL':
      // More than is pending takes the hold to zero, no further.
      transaction.pendingDebit = Math.max(0, transaction.pendingDebit - amount);
      transaction.pendingCredit = Math.max(0, transaction.pendingCredit - amount);
      break;
    case 'AUTHORIZATION_EXPIRY':
      transaction.pendingDebit = 0;
      transaction.pendingCredit = 0;
      break;
    case 'CLEARING':
      transaction.pendingDebit = Math.max(0, transaction.pendingDebit - amount);
      transaction.cleared += amount;
      break;
    case 'RETURN':
      transaction.pendingCredit = Math.max(0, transaction.pendingCredit - amount);
      transaction.returned += amount;
      break;
    case 'RETURN_REVERSAL':
      transaction.returned -= amount;
      break;
    case 'BALANCE_INQUIRY':
      break;
  }
}

function polarityOf(type: EventType, onCredit: boolean): 'CREDIT' | 'DEBIT' {
  if (type === 'AUTHORIZATION_REVERSAL' || type === 'AUTHORIZATION_EXPIRY') return onCredit ? 'DEBIT' : 'CREDIT';
  return CREDIT_TYPES.has(type) ? 'CREDIT' : 'DEBIT';
}

function statusOf(transaction: NetworkTransaction): TransactionStatus {
  const approved = transaction.events.filter(({ result }) => result === 'APPROVED');
  const last = transaction.events.at(-1);
  if (approved.length === 0) return 'DECLINED';
  if (approved.some(({ type }) => isFinancial(type))) {
    return transaction.cleared === transaction.returned && transaction.pendingDebit === 0 ? 'VOIDED' : 'SETTLED';
  }
  if (last?.type === 'BALANCE_INQUIRY') return 'SETTLED';
  if (transaction.pendingDebit > 0 || transaction.pendingCredit > 0) return 'PENDING';
  if (last?.type === 'AUTHORIZATION_ADVICE' && last.result !== 'APPROVED') return 'DECLINED';
  if (last?.type === 'AUTHORIZATION_EXPIRY') return 'EXPIRED';
  return last?.type === 'AUTHORIZATION_REVERSAL' ? 'VOIDED' : 'PENDING';
}

/** Cents of the billing currency in the merchant's, at the transaction's rate. */
export function toMerchantAmount(transaction: Pick<NetworkTransaction, 'rate'>, amount: number): number {
  const { merchant, billing } = transaction.rate;
  if (merchant === billing || billing === 0) return amount;
  return Number((BigInt(amount) * BigInt(merchant) * 2n + BigInt(billing)) / (2n * BigInt(billing)));
}

function rateText(transaction: Pick<NetworkTransaction, 'rate'>): string {
  const { merchant, billing } = transaction.rate;
  return merchant === 0 ? '1.000000' : (billing / merchant).toFixed(6);
}

/** The transaction in Lithic's shape. Sums are negative for money that leaves the cardholder. */
export function transactionResource(transaction: NetworkTransaction): Record<string, unknown> {
  const settled = transaction.returned - transaction.cleared;
  const hold = transaction.pendingCredit - transaction.pendingDebit;
  const rate = rateText(transaction);
  const usd = (amount: number) => ({ amount, currency: BILLING_CURRENCY });
  const local = (amount: number) => ({ amount: signed(transaction, amount), currency: transaction.merchantCurrency });
  return {
    token: transaction.token,
    account_token: transaction.accountToken,
    acquirer_fee: 0,
    acquirer_reference_number: null,
    amount: transaction.status === 'PENDING' ? transaction.authorized : transaction.cleared - transaction.returned,
    amounts: {
      hold: usd(hold),
      cardholder: { ...usd(settled), conversion_rate: rate },
      merchant: local(settled),
      settlement: usd(settled),
    },
    authorization_amount: transaction.authorized,
    authorization_code: '000001',
    avs: transaction.avs,
    card_token: transaction.cardToken,
    cardholder_authentication: null,
    created: transaction.created,
    financial_account_token: null,
    merchant: transaction.merchant,
    merchant_amount: toMerchantAmount(transaction, transaction.cleared),
    merchant_authorization_amount: toMerchantAmount(transaction, transaction.authorized),
    merchant_currency: transaction.merchantCurrency,
    network: 'VISA',
    network_risk_score: null,
    pos: transaction.pos,
    result: transaction.result,
    service_location: null,
    settled_amount: transaction.cleared - transaction.returned,
    status: transaction.status,
    tags: {},
    token_info: null,
    updated: transaction.updated,
    events: transaction.events.map((event) => eventResource(transaction, event, rate)),
  };
}

function signed(transaction: NetworkTransaction, amount: number): number {
  return amount < 0 ? -toMerchantAmount(transaction, -amount) : toMerchantAmount(transaction, amount);
}

function eventResource(transaction: NetworkTransaction, event: NetworkEvent, rate: string): Record<string, unknown> {
  const billed = { amount: event.amount, conversion_rate: rate, currency: BILLING_CURRENCY };
  return {
    token: event.token,
    amount: CREDIT_TYPES.has(event.type) ? -event.amount : event.amount,
    amounts: {
      cardholder: billed,
      merchant: { amount: toMerchantAmount(transaction, event.amount), currency: transaction.merchantCurrency },
      settlement: isFinancial(event.type) ? { ...billed, amount: movedAmount(event) } : null,
    },
    created: event.created,
    detailed_results: event.detailedResults,
    effective_polarity: event.polarity,
    network_info: null,
    result: event.result,
    rule_results: [],
    type: event.type,
  };
}
