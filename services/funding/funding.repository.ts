import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import { sumBigint } from '../shared/money';
import type { ChainOrderState } from './rules/chain-order-state';
import type { OverduePart } from './rules/outstanding-overdue';
import type { SaleState } from './rules/sale-state';

export type PostingKind = 'stablecoin_sale' | 'loan_draw' | 'overdue' | 'refund';
export type PostingState = 'posted' | 'funding' | 'funded' | 'failed';

/** A row of `leg_postings` with its clearing's program. `amount` in base units of `asset`, `amount_usd` in cents. */
export interface PostingRow {
  readonly organization_id: string;
  readonly id: string;
  readonly leg_id: string;
  readonly account_id: string;
  readonly card_transaction_id: string;
  readonly kind: PostingKind;
  readonly asset: string;
  readonly amount: bigint;
  readonly amount_usd: bigint;
  readonly state: PostingState;
  readonly created_at: Date;
}

export interface SaleOrderRow {
  readonly organization_id: string;
  readonly id: string;
  readonly leg_id: string;
  readonly account_id: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly covers_usd: bigint;
  readonly state: SaleState;
  readonly attempt: number;
  /** Orders that may be made for it before an operator is asked. */
  readonly attempts_allowed: number;
  readonly quoted_gross_usd: bigint | null;
  readonly gross_usd: bigint | null;
  readonly fee_usd: bigint | null;
  readonly vendor: string;
  readonly vendor_order_id: string | null;
  readonly deposit_address: string | null;
  readonly transaction_hash: string | null;
  readonly return_transaction_hash: string | null;
  readonly bank_reference: string | null;
  readonly failure: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface DrawOrderRow {
  readonly organization_id: string;
  readonly id: string;
  readonly draw_id: string;
  readonly account_id: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly state: ChainOrderState;
  readonly attempt: number;
  readonly transaction_hash: string | null;
  readonly block_number: bigint | null;
  readonly failure: string | null;
  readonly updated_at: Date;
}

export interface RepaymentRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly asset: string;
  readonly source: 'funds' | 'refund';
  readonly amount: bigint;
  readonly state: ChainOrderState;
  /** Base units sent to the venue at most. */
  readonly venue_amount: bigint | null;
  readonly transaction_hash: string | null;
  readonly refund_id: string | null;
  /** How often each of a refund's calls may be tried. */
  readonly attempts_allowed: number;
  readonly failure: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

type BigintColumns<T> = { [K in keyof T]: T[K] extends bigint | null ? string | null : T[K] };

/** Bigints as decimal strings, which is how NUMERIC(78,0) takes them. */
function stored<T extends object>(change: T): BigintColumns<T> {
  return Object.fromEntries(
    Object.entries(change).map(([key, value]) => [key, typeof value === 'bigint' ? value.toString() : value]),
  ) as BigintColumns<T>;
}

export async function findPosting(
  trx: Transaction,
  organizationId: string,
  postingId: string,
): Promise<PostingRow | undefined> {
  return trx<PostingRow>('leg_postings').where({ organization_id: organizationId, id: postingId }).first();
}

export async function lockPosting(
  trx: Transaction,
  organizationId: string,
  postingId: string,
): Promise<PostingRow | undefined> {
  return trx<PostingRow>('leg_postings').where({ organization_id: organizationId, id: postingId }).forUpdate().first();
}

export async function updatePostingState(
  trx: Transaction,
  organizationId: string,
  postingId: string,
  state: PostingState,
): Promise<void> {
  await trx('leg_postings')
    .where({ organization_id: organizationId, id: postingId })
    .update({ state, updated_at: trx.fn.now() });
}

/** Marks the clearing funded once every part of it is; returns whether it is. */
export async function markTransactionFundedIfWhole(
  trx: Transaction,
  organizationId: string,
  cardTransactionId: string,
): Promise<boolean> {
  const open = await trx('leg_postings')
    .where({ organization_id: organizationId, card_transaction_id: cardTransactionId })
    .whereNot('state', 'funded')
    .first('id');
  if (open !== undefined) return false;
  await trx('card_transactions')
    .where({ organization_id: organizationId, id: cardTransactionId, state: 'posted' })
    .update({ state: 'funded', updated_at: trx.fn.now() });
  return true;
}

export async function findSale(
  trx: Transaction,
  organizationId: string,
  saleId: string,
): Promise<SaleOrderRow | undefined> {
  return trx<SaleOrderRow>('sale_orders').where({ organization_id: organizationId, id: saleId }).first();
}

export async function lockSale(
  trx: Transaction,
  organizationId: string,
  saleId: string,
): Promise<SaleOrderRow | undefined> {
  return trx<SaleOrderRow>('sale_orders').where({ organization_id: organizationId, id: saleId }).forUpdate().first();
}

export async function insertSale(
  trx: Transaction,
  row: Pick<
    SaleOrderRow,
    'organization_id' | 'id' | 'leg_id' | 'account_id' | 'asset' | 'amount' | 'covers_usd' | 'vendor'
  >,
): Promise<void> {
  await trx('sale_orders')
    .insert({ ...stored(row), state: 'requested' })
    .onConflict(['organization_id', 'id'])
    .ignore();
}

export type SaleChange = Partial<
  Pick<
    SaleOrderRow,
    | 'state'
    | 'attempt'
    | 'attempts_allowed'
    | 'quoted_gross_usd'
    | 'gross_usd'
    | 'fee_usd'
    | 'vendor_order_id'
    | 'deposit_address'
    | 'transaction_hash'
    | 'return_transaction_hash'
    | 'bank_reference'
    | 'failure'
  >
>;

export async function updateSale(
  trx: Transaction,
  organizationId: string,
  saleId: string,
  change: SaleChange,
): Promise<void> {
  await trx('sale_orders')
    .where({ organization_id: organizationId, id: saleId })
    .update({ ...stored(change), updated_at: trx.fn.now() });
}

/** The sale that a payout's entry at the bank was booked for; there is one at most. */
export async function findSaleOfPayout(
  trx: Transaction,
  organizationId: string,
  vendor: string,
  bankReference: string,
): Promise<string | undefined> {
  const row: { id: string } | undefined = await trx('sale_orders')
    .where({ organization_id: organizationId, vendor, bank_reference: bankReference })
    .first('id');
  return row?.id;
}

/** From the vendor's own id of an order to ours. */
export async function insertSaleRoute(
  trx: Transaction,
  route: { vendor: string; reference: string; organization_id: string; resource_id: string },
): Promise<void> {
  await trx('vendor_routes').insert(route).onConflict(['vendor', 'reference']).ignore();
}

export async function findDrawOrder(
  trx: Transaction,
  organizationId: string,
  orderId: string,
): Promise<DrawOrderRow | undefined> {
  return trx<DrawOrderRow>('draw_orders').where({ organization_id: organizationId, id: orderId }).first();
}

export async function lockDrawOrder(
  trx: Transaction,
  organizationId: string,
  orderId: string,
): Promise<DrawOrderRow | undefined> {
  return trx<DrawOrderRow>('draw_orders').where({ organization_id: organizationId, id: orderId }).forUpdate().first();
}

/** Returns whether it was new. */
export async function insertDrawOrder(
  trx: Transaction,
  row: Pick<DrawOrderRow, 'organization_id' | 'id' | 'draw_id' | 'account_id' | 'asset' | 'amount'>,
): Promise<boolean> {
  const rows = await trx('draw_orders')
    .insert({ ...stored(row), state: 'requested' })
    .onConflict(['organization_id', 'id'])
    .ignore()
    .returning('id');
  return rows.length > 0;
}

export type DrawOrderChange = Partial<
  Pick<DrawOrderRow, 'state' | 'attempt' | 'transaction_hash' | 'block_number' | 'failure'>
>;

export async function updateDrawOrder(
  trx: Transaction,
  organizationId: string,
  orderId: string,
  change: DrawOrderChange,
): Promise<void> {
  await trx('draw_orders')
    .where({ organization_id: organizationId, id: orderId })
    .update({ ...stored(change), updated_at: trx.fn.now() });
}

/**
 * What else changes the account's debt at the venue right now: the id of a draw or repayment that is on its way to the chain and not yet
 * booked. Only one may be, or interest could not be told from principal. Call it under the account's lock.
 */
export async function findVenueOperationInFlight(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  exceptId: string | null,
): Promise<string | null> {
  const result: { rows: { id: string }[] } = await trx.raw(
    `SELECT id FROM draw_orders WHERE organization_id = ? AND account_id = ? AND state = 'submitted'
     UNION ALL
     SELECT id FROM repayments WHERE organization_id = ? AND account_id = ? AND state = 'submitted'`,
    [organizationId, accountId, organizationId, accountId],
  );
  return result.rows.find((row) => row.id !== exceptId)?.id ?? null;
}

export async function insertRepayment(
  trx: Transaction,
  row: Pick<RepaymentRow, 'organization_id' | 'id' | 'account_id' | 'asset' | 'source' | 'amount' | 'refund_id'>,
): Promise<RepaymentRow> {
  const rows = await trx('repayments')
    .insert({ ...stored(row), state: 'requested' })
    .returning<RepaymentRow[]>('*');
  const inserted = rows[0];
  if (inserted === undefined) throw new Error('the new repayment was not returned');
  return inserted;
}

export async function findRepayment(
  trx: Transaction,
  organizationId: string,
  repaymentId: string,
): Promise<RepaymentRow | undefined> {
  return trx<RepaymentRow>('repayments').where({ organization_id: organizationId, id: repaymentId }).first();
}

export async function lockRepayment(
  trx: Transaction,
  organizationId: string,
  repaymentId: string,
): Promise<RepaymentRow | undefined> {
  return trx<RepaymentRow>('repayments')
    .where({ organization_id: organizationId, id: repaymentId })
    .forUpdate()
    .first();
}

export async function updateRepayment(
  trx: Transaction,
  organizationId: string,
  repaymentId: string,
  change: Partial<Pick<RepaymentRow, 'state' | 'venue_amount' | 'transaction_hash' | 'attempts_allowed' | 'failure'>>,
): Promise<void> {
  await trx('repayments')
    .where({ organization_id: organizationId, id: repaymentId })
    .update({ ...stored(change), updated_at: trx.fn.now() });
}

/** Repayments of the account that were asked for and not finished. */
export async function findOpenRepayment(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<RepaymentRow | undefined> {
  return trx<RepaymentRow>('repayments')
    .where({ organization_id: organizationId, account_id: accountId, source: 'funds' })
    .whereIn('state', ['requested', 'submitted'])
    .first();
}

/** Stablecoins taken to be sold for what is overdue: a leg of its own beside the overdue one, named by the token as its asset. */
export async function insertOverdueCollection(
  trx: Transaction,
  row: {
    readonly organization_id: string;
    readonly leg_id: string;
    readonly posting_id: string;
    readonly account_id: string;
    readonly card_transaction_id: string;
    readonly asset: string;
    readonly amount: bigint;
    readonly amount_usd: bigint;
    readonly price_usd_e8: bigint;
  },
): Promise<void> {
  const amounts = { amount: row.amount.toString(), amount_usd: row.amount_usd.toString() };
  await trx('funding_legs').insert({
    organization_id: row.organization_id,
    id: row.leg_id,
    account_id: row.account_id,
    card_transaction_id: row.card_transaction_id,
    ordinal: 0,
    kind: 'overdue',
    asset: row.asset,
    price_usd_e8: row.price_usd_e8.toString(),
    held_amount: 0,
    held_usd: 0,
    posted_amount: amounts.amount,
    posted_usd: amounts.amount_usd,
  });
  await trx('leg_postings').insert({
    organization_id: row.organization_id,
    id: row.posting_id,
    leg_id: row.leg_id,
    account_id: row.account_id,
    card_transaction_id: row.card_transaction_id,
    kind: 'overdue',
    asset: row.asset,
    ...amounts,
  });
}

/** Cents of overdue that sales on their way will pay. */
export async function overdueInCollection(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<bigint> {
  const rows = await trx<PostingRow>('leg_postings')
    .where({ organization_id: organizationId, account_id: accountId, kind: 'overdue' })
    .whereNot('asset', 'USD')
    .whereIn('state', ['posted', 'funding'])
    .select('amount_usd');
  return sumBigint(rows.map((row) => row.amount_usd));
}

export interface CollectableAccount {
  readonly organization_id: string;
  readonly id: string;
}

/**
 * Accounts of all organizations with something overdue and funds free, in no order: those that cannot be collected from now must not
 * stand in front of the others. Needs the worker's role.
 */
export async function findCollectableAccounts(knex: Knex, limit: number): Promise<readonly CollectableAccount[]> {
  const result: { rows: CollectableAccount[] } = await knex.raw(
    `SELECT a.organization_id, a.id FROM accounts a
      WHERE a.overdue_amount > 0 AND EXISTS (
        SELECT 1 FROM ledger_accounts l
         WHERE l.organization_id = a.organization_id AND l.account_id = a.id AND l.type = 'cardholder.funds'
           AND l.posted_credits - l.posted_debits - l.pending_debits > 0)
      ORDER BY random() LIMIT ?`,
    [limit],
  );
  return result.rows;
}

/** The oldest clearing of the account with something that nothing has covered yet. */
export async function oldestOverdueTransaction(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<string | null> {
  const row: { card_transaction_id: string } | undefined = await uncovered(trx, organizationId, accountId)
    .orderBy('id')
    .first('card_transaction_id');
  return row?.card_transaction_id ?? null;
}

/** What the account's clearings left uncovered since it was last even, the oldest first. */
export async function findOverdueParts(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<readonly OverduePart[]> {
  const rows: { card_transaction_id: string; amount_usd: bigint; created_at: Date }[] = await uncovered(
    trx,
    organizationId,
    accountId,
  )
    .orderBy('id')
    .select('card_transaction_id', 'amount_usd', 'created_at');
  return rows.map((row) => ({
    cardTransactionId: row.card_transaction_id,
    amountUsd: row.amount_usd,
    since: row.created_at,
  }));
}

/** Nothing is overdue any more: what was uncovered counts as funded. */
export async function markOverdueFunded(trx: Transaction, organizationId: string, accountId: string): Promise<void> {
  const rows: { card_transaction_id: string }[] = await uncovered(trx, organizationId, accountId)
    .update({ state: 'funded', updated_at: trx.fn.now() })
    .returning('card_transaction_id');
  for (const id of new Set(rows.map((row) => row.card_transaction_id))) {
    await markTransactionFundedIfWhole(trx, organizationId, id);
  }
}

/** Parts of clearings that became overdue, at once or because their draw failed. */
function uncovered(trx: Transaction, organizationId: string, accountId: string) {
  return trx('leg_postings')
    .where({ organization_id: organizationId, account_id: accountId })
    .andWhere((part) =>
      part.where({ kind: 'overdue', asset: 'USD', state: 'posted' }).orWhere({ kind: 'loan_draw', state: 'failed' }),
    );
}

/** Whether a borrow of the account has still to reach the chain. */
export async function hasOpenDrawOrder(trx: Transaction, organizationId: string, accountId: string): Promise<boolean> {
  const result: { rows: unknown[] } = await trx.raw(
    `SELECT 1 FROM leg_postings p
       LEFT JOIN draw_orders o ON o.organization_id = p.organization_id AND o.id = p.id
      WHERE p.organization_id = ? AND p.account_id = ? AND p.kind = 'loan_draw' AND p.state IN ('posted', 'funding')
        AND coalesce(o.state, 'requested') IN ('requested', 'submitted') LIMIT 1`,
    [organizationId, accountId],
  );
  return result.rows.length > 0;
}
