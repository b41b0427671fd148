import type { Page, PageRequest } from '../database/page';
import { findPage, findRow, findRowsOf } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { DrawOrderRow, PostingRow, RepaymentRow, SaleOrderRow } from '../funding/funding.repository';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { AuthorizationRow, FundingLegRow } from './authorization.repository';
import type { CardTransactionKind } from './card-event.repository';

/** A row of `card_transactions`: what the network finally said. Amounts are cents of `currency`. */
export interface CardTransactionRow {
  readonly organization_id: string;
  readonly id: string;
  readonly kind: CardTransactionKind;
  readonly state: 'posted' | 'funded' | 'settled';
  readonly account_id: string;
  readonly card_id: string;
  readonly program_id: string;
  readonly authorization_id: string | null;
  readonly original_transaction_id: string | null;
  readonly amount: bigint;
  readonly currency: string;
  readonly merchant_amount: bigint;
  readonly merchant_currency: string;
  readonly merchant: AuthorizationRow['merchant'];
  readonly forced: boolean;
  readonly fee_amount: bigint;
  readonly cash_amount: bigint;
  readonly refunded_amount: bigint;
  readonly effective_at: Date;
  readonly recorded_at: Date;
  readonly updated_at: Date;
}

/** One part of a transaction with the order that funds it. */
export interface FundedPosting {
  readonly posting: PostingRow;
  readonly leg: Pick<FundingLegRow, 'id' | 'price_usd_e8'> | undefined;
  readonly sale: SaleOrderRow | undefined;
  readonly draw: DrawOrderRow | undefined;
  /** What a refund gave back to a loan. */
  readonly repayments: readonly RepaymentRow[];
}

export interface CardTransactionWithFunding {
  readonly transaction: CardTransactionRow;
  readonly postings: readonly FundedPosting[];
}

/** Clearings and refunds of the organization, newest first. */
export async function listCardTransactions(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId?: string | undefined;
    readonly cardId?: string | undefined;
    readonly authorizationId?: string | undefined;
    readonly kind?: CardTransactionRow['kind'] | undefined;
    readonly state?: CardTransactionRow['state'] | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<CardTransactionRow>> {
  const { organizationId, accountId, cardId, authorizationId, kind, state, page } = input;
  return findPage<CardTransactionRow>(trx, 'card_transactions', organizationId, page, {
    where: { account_id: accountId, card_id: cardId, authorization_id: authorizationId, kind, state },
    timeColumn: 'recorded_at',
  });
}

/** One transaction with its parts and how far each is funded, or `not_found`. */
export async function showCardTransaction(
  trx: Transaction,
  input: { readonly organizationId: string; readonly cardTransactionId: string },
): Promise<Result<CardTransactionWithFunding, Refusal>> {
  const { organizationId, cardTransactionId } = input;
  const transaction = await findRow<CardTransactionRow>(trx, 'card_transactions', organizationId, cardTransactionId);
  if (transaction === undefined) return err(refusal('not_found', 'there is no transaction with this id'));
  const postings = await findRowsOf<PostingRow>(trx, 'leg_postings', organizationId, 'card_transaction_id', [
    cardTransactionId,
  ]);
  const ids = postings.map((posting) => posting.id);
  const legIds = postings.map((posting) => posting.leg_id);
  const legs = await findRowsOf<FundingLegRow>(trx, 'funding_legs', organizationId, 'id', legIds);
  const sales = await findRowsOf<SaleOrderRow>(trx, 'sale_orders', organizationId, 'id', ids);
  const draws = await findRowsOf<DrawOrderRow>(trx, 'draw_orders', organizationId, 'id', ids);
  const repayments = await findRowsOf<RepaymentRow>(trx, 'repayments', organizationId, 'refund_id', ids);
  return ok({
    transaction,
    postings: postings.map((posting) => ({
      posting,
      leg: legs.find((leg) => leg.id === posting.leg_id),
      sale: sales.find((sale) => sale.id === posting.id),
      draw: draws.find((draw) => draw.id === posting.id),
      repayments: repayments.filter((repayment) => repayment.refund_id === posting.id),
    })),
  });
}
