import { randomUUID } from 'node:crypto';
import type { Faults } from '../shared/faults';
import type { StateFile } from '../shared/state-file';
import type { WebhookOutbox } from '../shared/webhook-outbox';
import { isExpired } from './cards';
import {
  type AuthorizationStatus,
  avsOf,
  fleetInfoOf,
  isCardPresent,
  merchantOf,
  type Purchase,
  posOf,
} from './purchase';
import { askIssuer, type Decision } from './responder';
import type { IssuedCard, NetworkState } from './state';
import {
  addEvent,
  BILLING_CURRENCY,
  type EventInput,
  isFinancial,
  type NetworkTransaction,
  settlementAmount,
  toMerchantAmount,
  transactionResource,
} from './transactions';

/** A request that cannot be carried out, in words for the one who sent it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Answer {
  readonly token: string;
  readonly result: string;
  readonly detailed_results: readonly string[];
  readonly approved_amount: number;
  readonly balance: number | null;
}

const CREDIT_STATUSES: ReadonlySet<AuthorizationStatus> = new Set([
  'CREDIT_AUTHORIZATION',
  'FINANCIAL_CREDIT_AUTHORIZATION',
]);

/** The network between merchants and the issuer: every command changes the book, stores it, and lets the webhook follow. */
export class CardNetwork {
  constructor(
    private readonly file: StateFile<NetworkState>,
    private readonly faults: Faults,
    private readonly outbox: WebhookOutbox,
  ) {}

  private get state(): NetworkState {
    return this.file.value;
  }

  cardOf(token: string): IssuedCard {
    const card = this.state.cards[token];
    if (card === undefined) throw new Refusal(404, 'Card not found');
    return card;
  }

  cardByNumber(pan: string): IssuedCard {
    const card = Object.values(this.state.cards).find((other) => other.pan === pan);
    if (card === undefined) throw new Refusal(404, 'Card not found');
    return card;
  }

  transactionOf(token: string): NetworkTransaction {
    const transaction = this.state.transactions[token];
    if (transaction === undefined) throw new Refusal(404, 'Transaction not found');
    return transaction;
  }

  /** Opens a transaction with a request that the issuer decides, unless the network's own checks decline it first. */
  async authorize(purchase: Purchase): Promise<Answer> {
    const card = this.cardOf(purchase.card_token);
    if (purchase.status === 'BALANCE_INQUIRY' && purchase.amount !== 0)
      throw new Refusal(400, 'amount must be 0 for a balance inquiry');
    const transaction = this.openTransaction(card, purchase);
    const declined = this.preCheck(card, purchase);
    if (declined !== null) {
      return this.conclude(transaction, card, purchase.status, purchase.amount, randomUUID(), declined);
    }
    return this.decide(transaction, card, purchase.status, purchase.amount, purchase.cash_amount);
  }

  /**
   * Asks for more on an authorization, or again after a decline: the request carries what is asked for on top of what was
   * approved, and the same transaction token.
   */
  async increment(token: string, amount: number): Promise<Answer> {
    const transaction = this.transactionOf(token);
    if (!transaction.events.some(({ type }) => type === 'AUTHORIZATION')) {
      throw new Refusal(422, 'Nothing was asked for on this transaction');
    }
    return this.decide(transaction, this.cardOf(transaction.cardToken), 'AUTHORIZATION', amount, 0);
  }

  /** A clearing without an authorization. */
  async forcePost(purchase: Purchase): Promise<string> {
    const transaction = this.openTransaction(this.cardOf(purchase.card_token), purchase);
    return this.post(transaction, [{ type: 'CLEARING', amount: purchase.amount }]);
  }

  /** A purchase that was let through without asking the issuer: offline, or while it was out of reach. */
  async adviseUnasked(purchase: Purchase): Promise<string> {
    const transaction = this.openTransaction(this.cardOf(purchase.card_token), purchase);
    return this.post(transaction, [{ type: 'AUTHORIZATION_ADVICE', amount: purchase.amount }]);
  }

  async creditAuthorizationAdvice(purchase: Purchase): Promise<string> {
    const transaction = this.openTransaction(this.cardOf(purchase.card_token), purchase);
    return this.post(transaction, [{ type: 'CREDIT_AUTHORIZATION_ADVICE', amount: purchase.amount }]);
  }

  /**
   * Clears `amount`, or all that is pending; where nothing was approved, the merchant has to say how much it clears all the same.
   * With `final`, what remains of the hold expires at once.
   */
  async clear(token: string, amount: number | null, final: boolean): Promise<string> {
    const transaction = this.transactionOf(token);
    if (transaction.pendingCredit > 0) {
      return this.post(transaction, [{ type: 'RETURN', amount: amount ?? transaction.pendingCredit }]);
    }
    if (transaction.authorized === 0 && amount === null) {
      throw new Refusal(422, 'Nothing was authorized on this transaction');
    }
    const cleared = amount ?? (transaction.pendingDebit > 0 ? transaction.pendingDebit : transaction.authorized);
    const rest = transaction.pendingDebit - cleared;
    return this.post(transaction, [
      { type: 'CLEARING', amount: cleared },
      ...(final && rest > 0 ? [{ type: 'AUTHORIZATION_EXPIRY', amount: rest } as const] : []),
    ]);
  }

  async void(
    token: string,
    type: 'AUTHORIZATION_REVERSAL' | 'AUTHORIZATION_EXPIRY',
    amount: number | null,
  ): Promise<string> {
    const transaction = this.transactionOf(token);
    const pending = transaction.pendingDebit + transaction.pendingCredit;
    if (pending === 0 && amount === null) throw new Refusal(422, 'Nothing is pending on this transaction');
    return this.post(transaction, [{ type, amount: type === 'AUTHORIZATION_EXPIRY' ? pending : (amount ?? pending) }]);
  }

  async advise(token: string, amount: number): Promise<string> {
    return this.post(this.transactionOf(token), [{ type: 'AUTHORIZATION_ADVICE', amount }]);
  }

  /** Refunds in the purchase's own transaction when that is named, otherwise in a new one. */
  async return(purchase: Purchase, originalToken: string | null): Promise<string> {
    const card = this.cardOf(purchase.card_token);
    const transaction =
      originalToken === null ? this.openTransaction(card, purchase) : this.transactionOf(originalToken);
    if (transaction.cardToken !== card.token)
      throw new Refusal(422, 'The original transaction was made with another card');
    return this.post(transaction, [{ type: 'RETURN', amount: purchase.amount }]);
  }

  async reverseReturn(token: string): Promise<string> {
    const transaction = this.transactionOf(token);
    const refund = transaction.events.findLast(({ type, result }) => type === 'RETURN' && result === 'APPROVED');
    if (refund === undefined || transaction.returned < refund.amount) throw new Refusal(422, 'No return to reverse');
    return this.post(transaction, [{ type: 'RETURN_REVERSAL', amount: refund.amount }]);
  }

  private openTransaction(card: IssuedCard, purchase: Purchase): NetworkTransaction {
    const now = new Date().toISOString();
    const foreign = purchase.merchant_currency !== undefined && purchase.merchant_currency !== BILLING_CURRENCY;
    const merchantAmount = foreign ? (purchase.merchant_amount ?? purchase.amount) : purchase.amount;
    return {
      token: randomUUID(),
      cardToken: card.token,
      accountToken: card.accountToken,
      programToken: card.programToken,
      created: now,
      updated: now,
      merchant: merchantOf(purchase),
      pos: posOf(purchase),
      avs: avsOf(purchase),
      fleetInfo: fleetInfoOf(purchase),
      merchantCurrency: foreign ? (purchase.merchant_currency ?? BILLING_CURRENCY) : BILLING_CURRENCY,
      rate: { merchant: merchantAmount, billing: purchase.amount },
      partialApprovalCapable: purchase.partial_approval_capable,
      authorized: 0,
      pendingDebit: 0,
      pendingCredit: 0,
      cleared: 0,
      returned: 0,
      status: 'DECLINED',
      result: 'DECLINED',
      events: [],
    };
  }

  /** Lithic's checks before it asks: the issuer then only hears of the decline by webhook. */
  private preCheck(card: IssuedCard, purchase: Purchase): Decision | null {
    const decline = (result: string, detail: string): Decision => ({
      result,
      detailedResults: [detail],
      approvedAmount: 0,
      balance: null,
      unheard: false,
    });
    if (!purchase.skip_card_state_check && !CREDIT_STATUSES.has(purchase.status)) {
      if (card.state === 'CLOSED') return decline('CARD_CLOSED', 'CARD_CLOSED');
      if (card.state === 'PAUSED') return decline('CARD_PAUSED', 'CARD_PAUSED');
      if (card.state !== 'OPEN' && isCardPresent(purchase)) return decline('DECLINED', 'CARD_NOT_ACTIVATED');
      if (isExpired(card, new Date())) return decline('INVALID_CARD_DETAILS', 'CARD_EXPIRED');
    }
    return purchase.cvc === 'mismatch' ? decline('INVALID_CARD_DETAILS', 'CARD_SECURITY_CODE_INCORRECT') : null;
  }

  private async decide(
    transaction: NetworkTransaction,
    card: IssuedCard,
    status: AuthorizationStatus,
    amount: number,
    cashAmount: number,
  ): Promise<Answer> {
    const eventToken = randomUUID();
    const decision = await askIssuer(this.state, this.faults, {
      messageId: `msg_${eventToken.replaceAll('-', '')}`,
      body: JSON.stringify(approvalRequest(transaction, card, status, amount, cashAmount, eventToken)),
      amount,
      partialApprovalCapable: transaction.partialApprovalCapable,
    });
    return this.conclude(transaction, card, status, amount, eventToken, decision);
  }

  private async conclude(
    transaction: NetworkTransaction,
    card: IssuedCard,
    status: AuthorizationStatus,
    amount: number,
    eventToken: string,
    decision: Decision,
  ): Promise<Answer> {
    const request: EventInput = {
      type: status,
      amount,
      token: eventToken,
      result: decision.result,
      detailedResults: decision.detailedResults,
      approvedAmount: decision.approvedAmount,
    };
    const standIn = decision.unheard && this.state.settings.standIn === 'approve' && status === 'AUTHORIZATION';
    const total = transaction.authorized + amount;
    await this.post(transaction, standIn ? [request, { type: 'AUTHORIZATION_ADVICE', amount: total }] : [request]);
    if (card.type === 'SINGLE_USE' && decision.result === 'APPROVED' && amount > 0) {
      card.state = 'CLOSED';
      await this.file.save();
    }
    return {
      token: transaction.token,
      result: standIn ? 'APPROVED' : decision.result,
      detailed_results: standIn ? ['APPROVED'] : decision.detailedResults,
      approved_amount: standIn ? amount : decision.approvedAmount,
      balance: decision.balance,
    };
  }

  /** Books events that belong together, with what they settle and one webhook, in one stored document. */
  private async post(transaction: NetworkTransaction, inputs: readonly EventInput[]): Promise<string> {
    const now = new Date();
    const events = inputs.map((input) => addEvent(transaction, input, now));
    if (this.state.transactions[transaction.token] === undefined) this.state.order.push(transaction.token);
    this.state.transactions[transaction.token] = transaction;
    for (const event of events) {
      const amount = settlementAmount(event);
      if (!isFinancial(event.type) || event.result !== 'APPROVED') continue;
      this.state.entries.push({
        token: randomUUID(),
        transactionToken: transaction.token,
        cardToken: transaction.cardToken,
        programToken: transaction.programToken,
        eventToken: event.token,
        type: event.type.startsWith('FINANCIAL') ? 'FINANCIAL' : 'CLEARING',
        amount,
        created: event.created,
        settlementDate: null,
      });
    }
    const type = events.at(-1)?.type ?? 'AUTHORIZATION';
    this.outbox.add({
      id: `msg_${randomUUID().replaceAll('-', '')}`,
      type,
      body: JSON.stringify({ event_type: 'card_transaction.updated', ...transactionResource(transaction) }),
    });
    await this.file.save();
    return transaction.token;
  }
}

/** The body of `card_authorization.approval_request`. */
function approvalRequest(
  transaction: NetworkTransaction,
  card: IssuedCard,
  status: AuthorizationStatus,
  amount: number,
  cashAmount: number,
  eventToken: string,
): Record<string, unknown> {
  const sign = CREDIT_STATUSES.has(status) ? -1 : 1;
  const billed = amount === 0 ? 0 : sign * amount;
  const merchantAmount = toMerchantAmount(transaction, amount);
  const local = merchantAmount === 0 ? 0 : sign * merchantAmount;
  const { merchant, billing } = transaction.rate;
  const conversionRate = merchant === 0 || billing === 0 ? 1 : billing / merchant;
  return {
    event_type: 'card_authorization.approval_request',
    token: transaction.token,
    event_token: eventToken,
    status,
    acquirer_fee: 0,
    amount: billed,
    authorization_amount: billed,
    amounts: {
      cardholder: { amount: billed, conversion_rate: conversionRate.toFixed(6), currency: BILLING_CURRENCY },
      hold: null,
      merchant: { amount: local, currency: transaction.merchantCurrency },
      settlement: null,
    },
    avs: transaction.avs,
    card: {
      token: card.token,
      last_four: card.pan.slice(-4),
      memo: card.memo,
      spend_limit: 0,
      spend_limit_duration: 'FOREVER',
      state: card.state,
      type: card.type,
    },
    cardholder_currency: BILLING_CURRENCY,
    cash_amount: cashAmount,
    cashback: cashAmount,
    conversion_rate: conversionRate,
    created: new Date().toISOString(),
    merchant: transaction.merchant,
    merchant_amount: local,
    merchant_currency: transaction.merchantCurrency,
    network: 'VISA',
    network_risk_score: null,
    pos: transaction.pos,
    service_location: null,
    settled_amount: 0,
    token_info: null,
    transaction_initiator: 'CARDHOLDER',
    events: [],
    fleet_info: transaction.fleetInfo ?? null,
  };
}
