import type { IngressHeaders, SignatureVerdict, VendorOutcome } from '../processor/port';

export interface OffRampQuote {
  readonly sourceAsset: string;
  readonly sourceAmount: bigint;
  /** Cents of USD paid out before the fee. */
  readonly grossAmount: bigint;
  readonly feeAmount: bigint;
}

/** `returned`: the tokens came back; `failed` before any token was taken; `lost` never by itself, only after an operator's word. */
export type OffRampOrderState =
  | 'awaiting_funds'
  | 'funds_received'
  | 'submitted'
  | 'paid_out'
  | 'returned'
  | 'failed'
  | 'unrecognized';

export interface OffRampOrder {
  readonly vendorOrderId: string;
  readonly idempotencyKey: string;
  readonly state: OffRampOrderState;
  /** Chain address to which the tokens are sent. */
  readonly depositAddress: string;
  readonly sourceAmount: bigint;
  /** Cents, once known. */
  readonly grossAmount: bigint | null;
  readonly feeAmount: bigint | null;
  /** Reference under which the bank shows the payout. */
  readonly bankReference: string | null;
  /** Transaction in which returned tokens came back, if they did. */
  readonly returnTransactionHash: string | null;
}

export interface BankTransaction {
  readonly id: string;
  readonly reference: string;
  readonly direction: 'credit' | 'debit';
  /** Cents. */
  readonly amount: bigint;
  readonly bookedAt: Date;
}

export interface OffRamp {
  readonly vendor: string;
  quote(input: { readonly sourceAsset: string; readonly sourceAmount: bigint }): Promise<VendorOutcome<OffRampQuote>>;
  createOrder(input: {
    readonly idempotencyKey: string;
    readonly sourceAsset: string;
    /** Base units of the token. */
    readonly sourceAmount: bigint;
    readonly fromAddress: string;
  }): Promise<VendorOutcome<OffRampOrder>>;
  getOrder(vendorOrderId: string): Promise<VendorOutcome<OffRampOrder>>;
  /** The order created under our key, when a create ended `unknown`; `null` when the vendor has none. */
  findOrder(idempotencyKey: string): Promise<VendorOutcome<OffRampOrder | null>>;
}

/** Statement of the settlement account. */
export interface BankStatements {
  balance(): Promise<VendorOutcome<{ readonly amount: bigint }>>;
  transactions(input: {
    readonly after: string | null;
    readonly limit: number;
  }): Promise<VendorOutcome<{ readonly data: readonly BankTransaction[]; readonly hasMore: boolean }>>;
}

export interface OffRampHint {
  readonly messageId: string;
  readonly vendorOrderId: string;
  readonly type: string;
}

export interface OffRampIngress {
  readonly vendor: string;
  verify(rawBody: Buffer, headers: IngressHeaders, now: Date): SignatureVerdict;
  toHint(
    rawBody: Buffer,
    headers: IngressHeaders,
  ): { readonly kind: 'hint'; readonly hint: OffRampHint } | { readonly kind: 'malformed'; readonly detail: string };
}

/** How a sandbox order should go: paid out, refused by the bank so that the tokens come back, given up, or held. */
export type OffRampSandboxPlan = 'pay' | 'return' | 'fail' | 'hold';

/** Only where the vendor is our simulator. */
export interface OffRampSandbox {
  /** Applies to the next order that is created and has no plan yet. */
  planNextOrder(plan: OffRampSandboxPlan): Promise<VendorOutcome<null>>;
  /** Changes the way of an order that is not finished; `pay` lets a held one go on. */
  planOrder(vendorOrderId: string, plan: OffRampSandboxPlan): Promise<VendorOutcome<null>>;
}

/** Only where the bank is our simulator: money from outside, such as the organization's own capital. */
export interface BankSandbox {
  /** Books a credit of `amount` cents once per reference. */
  credit(input: { readonly reference: string; readonly amount: bigint }): Promise<VendorOutcome<BankTransaction>>;
}
