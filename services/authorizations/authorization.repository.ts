import type { Transaction } from '../database/transaction';
import type { AddressVerification, AuthorizationRequest, AuthorizationRequestKind } from '../providers/processor/port';
import type { DeclineReason } from './rules/decline-reason';
import { type Receipt, readReceipt } from './rules/receipt';

/** A row of `authorizations`. Amounts are cents of `currency`. */
export interface AuthorizationRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly card_id: string;
  readonly program_id: string;
  readonly vendor: string;
  readonly processor_authorization_id: string;
  /** The message that asked for it; null where that is a row of its own (recorded before rows carried it). */
  readonly message_id: string | null;
  readonly state: 'declined' | 'pending' | 'partially_cleared' | 'cleared' | 'reversed' | 'expired';
  readonly decline_reason: DeclineReason | null;
  readonly currency: string;
  readonly requested_amount: bigint;
  readonly approved_amount: bigint;
  readonly hold_amount: bigint;
  readonly cleared_amount: bigint;
  readonly reversed_amount: bigint;
  readonly refunded_amount: bigint;
  /** What the network asked for first. */
  readonly kind: AuthorizationRequestKind;
  readonly cash_amount: bigint;
  /** Part of `hold_amount` that is the program's fee. */
  readonly fee_amount: bigint;
  /** Funded right after approval, and not cleared yet. */
  readonly reserved_amount: bigint;
  readonly avs: AddressVerification;
  readonly cvc: AuthorizationRequest['cvc'];
  readonly merchant_amount: bigint;
  readonly merchant_currency: string;
  readonly merchant: {
    readonly id: string;
    readonly name: string;
    readonly city: string;
    readonly country: string;
    readonly mcc: string;
  };
  readonly channel: string;
  /** Canonical JSON of a {@link Receipt}. Rows from before receipts were sealed have another form. */
  readonly receipt: string;
  /** The sealed batch of the receipt and its leaf there; null where none was sealed. */
  readonly batch_id: string | null;
  readonly batch_ordinal: number | null;
  readonly occurred_at: Date;
  readonly respond_by: Date;
  readonly expires_at: Date | null;
  /** The network's time of the last total that it told without asking. */
  readonly advised_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** A row of `funding_legs`. Amounts are base units of `asset`, `*_usd` cents. */
export interface FundingLegRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly authorization_id: string | null;
  readonly card_transaction_id: string | null;
  readonly ordinal: number;
  readonly kind: 'stablecoin_sale' | 'loan_draw' | 'overdue' | 'refund';
  readonly asset: string;
  readonly price_usd_e8: bigint;
  readonly held_amount: bigint;
  readonly held_usd: bigint;
  readonly posted_amount: bigint;
  readonly posted_usd: bigint;
  readonly released_amount: bigint;
  readonly released_usd: bigint;
  readonly refunded_amount: bigint;
  readonly refunded_usd: bigint;
  readonly hold_transfer_id: string | null;
}

/** What was stored of the decision, read; null for a row from before receipts were sealed. */
export function receiptOf(authorization: Pick<AuthorizationRow, 'receipt'>): Receipt | null {
  return readReceipt(authorization.receipt);
}

/** What a purchase was approved for when it began, cents. */
export function firstApprovalOf(authorization: Pick<AuthorizationRow, 'receipt' | 'approved_amount'>): bigint {
  return BigInt(receiptOf(authorization)?.outcome.approved ?? authorization.approved_amount);
}

export async function findAuthorization(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<AuthorizationRow | null> {
  const row = await trx<AuthorizationRow>('authorizations')
    .where({ organization_id: organizationId, id: authorizationId })
    .first();
  return row ?? null;
}

export async function findAuthorizations(
  trx: Transaction,
  organizationId: string,
  authorizationIds: readonly string[],
): Promise<readonly AuthorizationRow[]> {
  return trx<AuthorizationRow>('authorizations')
    .where({ organization_id: organizationId })
    .whereIn('id', [...authorizationIds]);
}

export async function fundingLegsOf(
  trx: Transaction,
  organizationId: string,
  authorizationIds: readonly string[],
): Promise<readonly FundingLegRow[]> {
  return trx<FundingLegRow>('funding_legs')
    .where({ organization_id: organizationId })
    .whereIn('authorization_id', [...authorizationIds])
    .orderBy(['authorization_id', 'ordinal']);
}
