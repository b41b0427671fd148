import type { DeclineReason } from '../../authorizations/rules/decline-reason';
import type { FleetData } from '../../cards/rules/fleet-data';

/**
 * The card processor in our words. An adapter folder (`lithic/`) holds the vendor's shapes, its signature check and the
 * translation; nothing outside that folder knows them.
 */

export type { DeclineReason, FleetData };

/** What a call to a vendor came to. `unknown` (timeout, 5xx, cut connection) is followed by a status query, never by a blind retry. */
export type VendorOutcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string }
  | { readonly kind: 'unknown'; readonly detail: string };

export type ProcessorCardState = 'active' | 'paused' | 'closed';

export interface ProcessorCard {
  readonly cardToken: string;
  readonly lastFour: string;
  readonly expiryMonth: number;
  readonly expiryYear: number;
  /** `pending_activation`: a physical card on its way; it works online, not in shops. */
  readonly state: ProcessorCardState | 'pending_activation';
  readonly network: 'visa' | 'mastercard' | 'unknown';
}

export interface NetworkSettlementSummary {
  /** The network's settlement date, `YYYY-MM-DD`. */
  readonly date: string;
  readonly currency: string;
  /** Cents that we owe the network for the date: clearings less refunds (negative when the network owes us). */
  readonly netAmount: bigint;
  readonly clearingsAmount: bigint;
  readonly refundsAmount: bigint;
  readonly transactionCount: number;
  /** False while the date may still change. */
  readonly isComplete: boolean;
  /** When the processor last changed the report: one of a later time has been corrected since. */
  readonly updatedAt: Date;
  /** Reference under which the settlement bank shows the movement of `netAmount`. */
  readonly bankReference: string;
  readonly items: readonly NetworkSettlementItem[];
}

/** One movement that a date is made of. */
export interface NetworkSettlementItem {
  readonly cardToken: string;
  /** Ids of the card events that it stands for, as `CardEvent.messageId`. */
  readonly messageIds: readonly string[];
  /** Cents owed to the network; negative for refunds. */
  readonly amount: bigint;
}

/**
 * What the processor made of one request of a purchase: approved it, declined it (whatever we answered), or has no record of it.
 */
export type RequestStanding = 'approved' | 'declined' | 'not_recorded';

export interface Processor {
  readonly vendor: string;
  createCard(input: {
    readonly idempotencyKey: string;
    readonly kind: 'virtual' | 'physical';
    readonly memo: string;
    readonly programToken: string;
  }): Promise<VendorOutcome<ProcessorCard>>;
  /** The card created under `idempotencyKey`, when a create ended `unknown`; `null` when the vendor has none. */
  findCard(idempotencyKey: string): Promise<VendorOutcome<ProcessorCard | null>>;
  getCard(cardToken: string): Promise<VendorOutcome<ProcessorCard>>;
  setCardState(cardToken: string, state: ProcessorCardState): Promise<VendorOutcome<ProcessorCard>>;
  /**
   * What the processor made of one request, which `messageId` names as {@link AuthorizationRequest} does. A purchase may have many:
   * what became of it as a whole tells of none of them.
   */
  findRequest(request: {
    readonly processorAuthorizationId: string;
    readonly messageId: string;
    /** The purchase began with it: so it may be told without its name, where there is no other. */
    readonly opens: boolean;
  }): Promise<VendorOutcome<RequestStanding>>;
  settlementSummary(date: string): Promise<VendorOutcome<NetworkSettlementSummary>>;
}

/** How the terminal was reached; our words for the network's entry modes. */
export type Channel = 'ecommerce' | 'contactless' | 'chip' | 'magstripe' | 'manual' | 'atm' | 'recurring' | 'unknown';

export interface Merchant {
  readonly id: string;
  readonly name: string;
  readonly city: string;
  /** ISO 3166-1 alpha-3. */
  readonly country: string;
  /** ISO 18245 merchant category code, four digits. */
  readonly mcc: string;
}

export type AuthorizationRequestKind =
  | 'authorization'
  | 'incremental_authorization'
  | 'advice'
  | 'balance_inquiry'
  | 'zero_amount_verification'
  | 'refund_authorization'
  | 'cash_withdrawal';

/** Result of comparing the address sent by the merchant with the cardholder's. */
export type AddressVerification = 'match' | 'postal_code_match' | 'address_match' | 'mismatch' | 'not_provided';

/** A real-time request, in our words. Amounts are cents of the card's billing currency. */
export interface AuthorizationRequest {
  readonly vendor: string;
  /** Identity of this message. The same id with other content is refused. */
  readonly messageId: string;
  /** Groups the messages of one purchase. */
  readonly processorAuthorizationId: string;
  readonly cardToken: string;
  readonly kind: AuthorizationRequestKind;
  /** Cents of `currency` now asked for; `amountBasis` says against what. */
  readonly amount: bigint;
  /**
   * What `amount` means when `processorAuthorizationId` already carries an approved hold (a new message id on a known
   * purchase is an increment, not a duplicate): `total` is the new total, `delta` comes on top of what was approved.
   * For a first message both mean the same. Lithic sends deltas.
   */
  readonly amountBasis: 'total' | 'delta';
  readonly currency: string;
  readonly merchantAmount: bigint;
  readonly merchantCurrency: string;
  readonly merchant: Merchant;
  readonly channel: Channel;
  readonly partialApprovalAllowed: boolean;
  /** Part of `amount` that is cash handed out (ATM or cashback at the till). */
  readonly cashAmount: bigint;
  readonly avs: AddressVerification;
  readonly cvc: 'match' | 'mismatch' | 'not_provided';
  /** Null: not a fuel purchase, or the network carries none of it. */
  readonly fleet: FleetData | null;
  /** When the network says it happened. */
  readonly occurredAt: Date;
  /** The instant after which an answer would not be heard: the vendor's limit less a margin. */
  readonly respondBy: Date;
  /** SHA-256 of the raw body, hex: tells a repetition from a reused id. */
  readonly contentHash: string;
}

/**
 * Everything the network may later tell about a purchase: it already happened and is recorded, never refused. A purchase
 * that the processor declined (for whatever reason: our own answer, a late one, a rule of its own, or before it asked us) is told as a
 * `reversal` of what that one request was approved for; one that the network approved without us as an `authorization_advice`.
 */
export type CardEventKind = 'clearing' | 'reversal' | 'expiry' | 'refund' | 'refund_reversal' | 'authorization_advice';

export interface CardEvent {
  readonly vendor: string;
  /** Identity of this event. */
  readonly messageId: string;
  readonly processorAuthorizationId: string;
  readonly cardToken: string;
  readonly kind: CardEventKind;
  /**
   * Cents. A clearing's, refund's or reversal's own amount (a reversal or expiry may name more than is still held: what is
   * held is released, no more); of an advice what `amountBasis` says. Always ≥ 0.
   */
  readonly amount: bigint;
  /** Of an advice: the new total, or what comes on top of the last. Other kinds carry their own amount, a `delta`. */
  readonly amountBasis: 'total' | 'delta';
  /** Part of `amount` that was handed out as cash; all of it at a machine. */
  readonly cashAmount: bigint;
  /** How the terminal was reached. */
  readonly channel: Channel;
  /** Of a reversal: the request that it undoes, where the processor declined one, whatever we had answered; otherwise null. */
  readonly reversedMessageId: string | null;
  /** Of a clearing: the request that it is the outcome of, where both are one message; otherwise null. */
  readonly clearedMessageId: string | null;
  readonly currency: string;
  readonly merchantAmount: bigint;
  readonly merchantCurrency: string;
  readonly merchant: Merchant;
  /** A clearing after which no further one is expected: what is left of the hold is released. */
  readonly final: boolean;
  /** The purchase a refund belongs to, when the network names it. */
  readonly originalProcessorAuthorizationId: string | null;
  /** The network's own date of the event. */
  readonly effectiveAt: Date;
  readonly contentHash: string;
}

/** A vendor message that we do not know. It is stored and alerted, never guessed. */
export interface UnknownVendorMessage {
  readonly vendor: string;
  readonly messageId: string;
  readonly detail: string;
  readonly contentHash: string;
}

/** An adapter maps each decline reason to its vendor's word. */
export interface AuthorizationReply {
  readonly outcome: 'approved' | 'partially_approved' | 'declined';
  /** Cents approved; 0 when declined. */
  readonly approvedAmount: bigint;
  readonly declineReason: DeclineReason | null;
  /** Cents of spending power to show at the terminal (balance inquiry), when allowed. */
  readonly balance: bigint | null;
  /** Ours; null when no authorization was recorded (unknown card, unreadable message). */
  readonly authorizationId: string | null;
  /** Ours, where more is held for a purchase that was known: whether this answer is heard decides what becomes of it. */
  readonly amendment?: { readonly organizationId: string; readonly id: string };
}

export type SignatureVerdict = { readonly kind: 'valid' } | { readonly kind: 'invalid'; readonly detail: string };

export type IngressHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Which of the two ingress routes a message came to: each has its own secrets. */
export type IngressRoute = 'authorizations' | 'events';

/** What the ingress route is given: it verifies raw bytes before any parsing and translates both ways. */
export interface ProcessorIngress {
  readonly vendor: string;
  verify(rawBody: Buffer, headers: IngressHeaders, now: Date, route: IngressRoute): SignatureVerdict;
  toRequest(
    rawBody: Buffer,
    headers: IngressHeaders,
    receivedAt: Date,
  ):
    | { readonly kind: 'request'; readonly request: AuthorizationRequest }
    | { readonly kind: 'malformed'; readonly detail: string; readonly reply: VendorHttpReply };
  toEvents(
    rawBody: Buffer,
    headers: IngressHeaders,
    receivedAt: Date,
  ):
    | {
        readonly kind: 'events';
        /**
         * Identity of the delivery itself: kept when it is repeated, another for every other one. Not that of an event: a
         * vendor may send a purchase's whole history each time, so that one event comes in many deliveries.
         */
        readonly deliveryId: string;
        readonly events: readonly CardEvent[];
        readonly unknown: readonly UnknownVendorMessage[];
      }
    | { readonly kind: 'malformed'; readonly detail: string };
  toReply(reply: AuthorizationReply, request: AuthorizationRequest): VendorHttpReply;
}

export interface VendorHttpReply {
  readonly status: number;
  readonly body: unknown;
}

/** A purchase to be simulated. What is left out takes the sandbox's default. Amounts are cents. */
export interface SandboxPurchase {
  readonly cardToken: string;
  /** In the card's billing currency. */
  readonly amount: bigint;
  readonly merchant?: Partial<Merchant>;
  readonly channel?: Channel;
  /** With a currency other than the card's, the merchant's own amount. */
  readonly merchantAmount?: bigint;
  readonly merchantCurrency?: string;
  readonly partialApprovalAllowed?: boolean;
  readonly cashAmount?: bigint;
  readonly avs?: AddressVerification;
  readonly cvc?: 'match' | 'mismatch' | 'not_provided';
  /** What the driver typed at the pump. */
  readonly fleet?: { readonly driverId?: string | undefined; readonly vehicleId?: string | undefined };
  /** One message that moves money at once (an ATM), without a later clearing. */
  readonly singleMessage?: boolean;
}

/** How the network ended a request, as its terminal would show it. */
export interface SandboxAnswer {
  readonly processorAuthorizationId: string;
  readonly outcome: 'approved' | 'declined';
  /** Cents; below the amount asked for when it was approved in part. */
  readonly approvedAmount: bigint;
  /** The vendor's own words for the result, for people to read. */
  readonly vendorResult: string;
  /** Cents shown at the terminal, for a balance inquiry. */
  readonly balance: bigint | null;
}

export interface SandboxReference {
  readonly processorAuthorizationId: string;
}

export interface SandboxSettlement {
  readonly date: string;
  /** Cents taken from (positive) or paid to (negative) the settlement bank account. */
  readonly netAmount: bigint;
  readonly bankReference: string;
}

/**
 * Makes the vendor's sandbox play a merchant and a network. Every effect comes back through the signed ingress, as in
 * production; nothing here touches our own state.
 */
export interface ProcessorSandbox {
  readonly vendor: string;
  authorize(purchase: SandboxPurchase): Promise<VendorOutcome<SandboxAnswer>>;
  /** Asks for `amount` cents more on a purchase that was approved. */
  increment(input: SandboxReference & { readonly amount: bigint }): Promise<VendorOutcome<SandboxAnswer>>;
  balanceInquiry(input: { readonly cardToken: string }): Promise<VendorOutcome<SandboxAnswer>>;
  /** A merchant asks whether it may give `amount` back; {@link clear} then does. */
  refundAuthorization(purchase: SandboxPurchase): Promise<VendorOutcome<SandboxAnswer>>;
  /** A purchase that the network let through without asking, and tells of. */
  adviseUnasked(purchase: SandboxPurchase): Promise<VendorOutcome<SandboxReference>>;
  /** Clears `amount`, or all that is pending. `final` says that no further clearing follows: the rest is released. */
  clear(
    input: SandboxReference & { readonly amount?: bigint; readonly final?: boolean },
  ): Promise<VendorOutcome<SandboxReference>>;
  /** A clearing that no authorization went before. */
  forcePost(purchase: SandboxPurchase): Promise<VendorOutcome<SandboxReference>>;
  /** The merchant gives back `amount` of the hold, or all of it. */
  reverse(input: SandboxReference & { readonly amount?: bigint }): Promise<VendorOutcome<SandboxReference>>;
  expire(input: SandboxReference): Promise<VendorOutcome<SandboxReference>>;
  /** Linked to its purchase when that is named, otherwise a transaction of its own. */
  refund(input: {
    readonly cardToken: string;
    readonly amount: bigint;
    readonly originalProcessorAuthorizationId?: string;
    readonly merchant?: Partial<Merchant>;
  }): Promise<VendorOutcome<SandboxReference>>;
  refundReversal(input: SandboxReference): Promise<VendorOutcome<SandboxReference>>;
  /** Tells the new total of an authorization, without asking. */
  advice(input: SandboxReference & { readonly amount: bigint }): Promise<VendorOutcome<SandboxReference>>;
  /** Closes the network's day and moves its net amount over the settlement bank account; once for each date. */
  settle(input: { readonly date: string }): Promise<VendorOutcome<SandboxSettlement>>;
}
