import { z } from 'zod';

/**
 * Lithic's shapes, only the fields that are read. Lithic adds fields and enumeration members at any time, so unknown fields are
 * dropped and enumerations that we merely translate are strings; what decides about money is strict.
 * Sources: docs/vendors.md, "Card processor".
 */

const token = z.string().min(1).max(100);
/** Integer in the smallest unit of a currency. A fraction is refused, never rounded. */
const minorUnits = z.int();
const currency = z.string().regex(/^[A-Z]{3}$/);
/** RFC 3339; UTC where Lithic leaves the zone out. */
const timestamp = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?$/)
  .refine((text) => !Number.isNaN(Date.parse(text)), 'not a time of the calendar');
const money = z.object({ amount: minorUnits, currency });

const merchant = z.object({
  acceptor_id: z.string(),
  descriptor: z.string(),
  city: z.string().nullish(),
  country: z.string(),
  mcc: z.string(),
});

/** How the card met the terminal. */
const pos = z
  .object({
    entry_mode: z.object({ pan: z.string().nullish(), cardholder: z.string().nullish() }).nullish(),
    terminal: z.object({ partial_approval_capable: z.boolean(), type: z.string() }).nullish(),
  })
  .nullish();
export type PointOfSale = z.infer<typeof pos>;

const ASA_STATUSES = [
  'AUTHORIZATION',
  'CREDIT_AUTHORIZATION',
  'FINANCIAL_AUTHORIZATION',
  'FINANCIAL_CREDIT_AUTHORIZATION',
  'BALANCE_INQUIRY',
] as const;

/** What was typed at a pump. The odometer and the volume are told only after the clearing, as enhanced data. */
const fleetInfo = z.object({ driver_number: z.string().nullish(), vehicle_number: z.string().nullish() }).nullish();

/** Auth Stream Access request (`card_authorization.approval_request`). */
export const asaRequestShape = z.object({
  token,
  event_token: token.nullish(),
  status: z.enum(ASA_STATUSES),
  created: timestamp,
  /** Deprecated by `amounts` since February 2026, still required by the published schema. */
  authorization_amount: minorUnits,
  cardholder_currency: currency,
  merchant_amount: minorUnits,
  merchant_currency: currency,
  amounts: z.object({ cardholder: money, merchant: money }).nullish(),
  cash_amount: minorUnits,
  card: z.object({ token }),
  merchant,
  avs: z.object({ address_on_file_match: z.string().nullish() }).nullish(),
  fleet_info: fleetInfo,
  pos,
});
export type AsaRequest = z.infer<typeof asaRequestShape>;

/** Results that Lithic publishes for an Auth Stream Access response. */
type PublishedAsaResult =
  | 'APPROVED'
  | 'AVS_INVALID'
  | 'CARD_PAUSED'
  | 'INSUFFICIENT_FUNDS'
  | 'UNAUTHORIZED_MERCHANT'
  | 'VELOCITY_EXCEEDED'
  | 'DRIVER_NUMBER_INVALID'
  | 'VEHICLE_NUMBER_INVALID'
  | 'SUSPECTED_FRAUD';

/**
 * Any result outside the published list declines with the detailed result `CUSTOM_ASA_RESULT`; this one is used where no
 * published word is true.
 */
export type AsaResult = PublishedAsaResult | 'DO_NOT_HONOR';

export interface AsaResponse {
  readonly token?: string;
  readonly result: AsaResult;
  /** Only for a partial approval: its presence means one. */
  readonly approved_amount?: number;
  readonly avs_result?: 'MATCH' | 'MATCH_ZIP_ONLY' | 'MATCH_ADDRESS_ONLY' | 'FAIL';
  /** Answer to a balance inquiry: what is held on the card, and what can be spent. */
  readonly balance?: { readonly amount: number; readonly available: number };
}

const eventAmounts = z.object({ cardholder: money, merchant: money, settlement: money.nullish() });

const transactionEvent = z.object({
  token,
  type: z.string(),
  result: z.string(),
  detailed_results: z.array(z.string()).nullish(),
  effective_polarity: z.enum(['CREDIT', 'DEBIT']),
  created: timestamp,
  /** Deprecated, in the settlement currency; the sign varies. */
  amount: minorUnits,
  amounts: eventAmounts,
});
export type TransactionEvent = z.infer<typeof transactionEvent>;

/** Every event webhook names its type; everything else depends on it. */
export const eventEnvelope = z.object({ event_type: z.string() });

/** `card_transaction.updated`: the transaction as it now stands, with all its events so far. */
export const transactionShape = z.object({
  token,
  card_token: token,
  merchant,
  pos,
  amounts: z.object({ hold: z.object({ amount: minorUnits }) }),
  events: z.array(transactionEvent),
});
export type Transaction = z.infer<typeof transactionShape>;

/** A transaction as `GET /v1/transactions/{token}` gives it, as far as its single requests go: an event has the token that the request for it had. */
export const transactionRequestsShape = z.object({
  token,
  events: z.array(z.object({ token, type: z.string(), result: z.string() })).nullish(),
});
export type TransactionRequests = z.infer<typeof transactionRequestsShape>;

export const cardShape = z.object({
  token,
  last_four: z.string().regex(/^\d{4}$/),
  state: z.enum(['CLOSED', 'OPEN', 'PAUSED', 'PENDING_ACTIVATION', 'PENDING_FULFILLMENT']),
  memo: z.string().nullish(),
  exp_month: z.string().regex(/^\d{2}$/),
  exp_year: z.string().regex(/^\d{4}$/),
});
export type Card = z.infer<typeof cardShape>;

export const cardListShape = z.object({ data: z.array(cardShape), has_more: z.boolean() });

export const settlementSummaryShape = z.object({
  report_date: z.string(),
  is_complete: z.boolean(),
  updated: timestamp,
  details: z.array(
    z.object({
      currency,
      transactions_gross_amount: minorUnits,
      settled_net_amount: minorUnits,
    }),
  ),
});

export const settlementDetailListShape = z.object({
  has_more: z.boolean(),
  data: z.array(
    z.object({
      token,
      card_token: token,
      currency,
      transactions_gross_amount: minorUnits,
      transaction_token: token,
      event_tokens: z.array(token),
      type: z.string(),
    }),
  ),
});

export const errorShape = z.object({ message: z.string() });

/** Answer of the published simulate endpoints that open a transaction. */
export const simulatedTransactionShape = z.object({ token });

/** Answer of the sandbox's own `/sim` endpoints that ask us for a decision. */
export const simulatedAnswerShape = z.object({
  token,
  result: z.string(),
  approved_amount: minorUnits,
  balance: minorUnits.nullish(),
});

export const simulatedSettlementShape = z.object({
  date: z.string(),
  net_amount: minorUnits,
  bank_reference: z.string(),
});
