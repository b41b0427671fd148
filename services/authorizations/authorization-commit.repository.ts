import type { Pool, PoolClient } from 'pg';
import { binaryRows, binaryTexts, type RowWriter } from '../database/binary-rows';
import { required } from '../shared/assert';

/**
 * One decided request as the commit writes it; its attributes are those of the type `authorization_commit_item`. The statement
 * repeats the template `ledger/templates/place-authorization-hold.ts` for speed; a test holds the two equal.
 */
export interface CommitItem {
  readonly ordinal: number;
  readonly organization_id: string;
  readonly account_id: string;
  /** The versions the decision was taken at: any others, and the item is not written. */
  readonly expected_version: bigint;
  readonly program_version: bigint;
  readonly respond_by: Date;
  readonly vendor: string;
  readonly message_id: string;
  readonly content_hash: string;
  readonly kind: string;
  readonly processor_authorization_id: string;
  /** The decision knows that the network took the purchase back, or cleared it, before it asked. */
  readonly ended_before: boolean;
  /** Also the id of the ledger transaction that holds, and of the first event. */
  readonly authorization_id: string;
  readonly card_id: string;
  readonly program_id: string;
  readonly state: 'pending' | 'cleared' | 'declined';
  readonly decline_reason: string | null;
  readonly currency: string;
  readonly requested_amount: bigint;
  readonly approved_amount: bigint;
  readonly hold_amount: bigint;
  readonly fee_amount: bigint;
  readonly cash_amount: bigint;
  readonly balance: bigint | null;
  readonly merchant_amount: bigint;
  readonly merchant_currency: string;
  readonly merchant: string;
  readonly channel: string;
  readonly avs: string;
  readonly cvc: string;
  readonly occurred_at: Date;
  readonly expires_at: Date | null;
  /** Base units of the borrowed asset that this hold adds to the account's pending loans. */
  readonly loan_hold: bigint;
  readonly holds: boolean;
  readonly decided_at: Date;
  readonly account_windows: string | null;
  readonly card_windows: string | null;
}

export interface CommitLeg {
  readonly ordinal: number;
  readonly leg_id: string;
  readonly leg_ordinal: number;
  readonly kind: 'stablecoin_sale' | 'loan_draw';
  readonly asset: string;
  readonly amount: bigint;
  readonly amount_usd: bigint;
  readonly price_usd_e8: bigint;
  readonly transfer_id: string;
  readonly label: string;
  readonly debit_account_id: string;
  /** Name of the account that a loan leg makes; null for funds, which have theirs. */
  readonly debit_key: string | null;
  readonly credit_account_id: string;
}

/** What a batch has once: the seal on its receipts. */
export interface CommitBatch {
  readonly id: string;
  /** Canonical receipts in UTF-8, in the order of the items. */
  readonly receipts: readonly Uint8Array[];
  /** Canonical JSON of the market that it was decided on. */
  readonly market: string;
  readonly leaves: Buffer;
  readonly root: Buffer;
  readonly signature: Buffer;
  readonly keyId: string;
  /** When the last of its answers would no longer be heard. */
  readonly respondBy: Date;
}

export interface Committed {
  readonly ordinal: number;
  /** The answer's time had passed when its turn came: recorded as declined, nothing held. */
  readonly late: boolean;
}

const ITEM_FIELDS = 37;

/** The attributes of `authorization_commit_item`, in order. */
function writeItem(item: CommitItem, out: RowWriter): void {
  out.int(item.ordinal);
  out.uuid(item.organization_id);
  out.uuid(item.account_id);
  out.bigint(item.expected_version);
  out.bigint(item.program_version);
  out.timestamptz(item.respond_by);
  out.text(item.vendor);
  out.text(item.message_id);
  out.text(item.content_hash);
  out.text(item.kind);
  out.text(item.processor_authorization_id);
  out.boolean(item.ended_before);
  out.uuid(item.authorization_id);
  out.uuid(item.card_id);
  out.uuid(item.program_id);
  out.text(item.state);
  out.text(item.decline_reason);
  out.text(item.currency);
  out.bigint(item.requested_amount);
  out.bigint(item.approved_amount);
  out.bigint(item.hold_amount);
  out.bigint(item.fee_amount);
  out.bigint(item.cash_amount);
  out.bigint(item.balance);
  out.bigint(item.merchant_amount);
  out.text(item.merchant_currency);
  out.json(item.merchant);
  out.text(item.channel);
  out.text(item.avs);
  out.text(item.cvc);
  out.timestamptz(item.occurred_at);
  out.timestamptz(item.expires_at);
  out.numeric(item.loan_hold);
  out.boolean(item.holds);
  out.timestamptz(item.decided_at);
  out.json(item.account_windows);
  out.json(item.card_windows);
}

const LEG_FIELDS = 13;

/** The attributes of `authorization_commit_leg`, in order. */
function writeLeg(leg: CommitLeg, out: RowWriter): void {
  out.int(leg.ordinal);
  out.uuid(leg.leg_id);
  out.smallint(leg.leg_ordinal);
  out.text(leg.kind);
  out.text(leg.asset);
  out.numeric(leg.amount);
  out.bigint(leg.amount_usd);
  out.numeric(leg.price_usd_e8);
  out.uuid(leg.transfer_id);
  out.text(leg.label);
  out.uuid(leg.debit_account_id);
  out.text(leg.debit_key);
  out.uuid(leg.credit_account_id);
}

const BATCH = {
  /** Apart from the items: a receipt is many times as long as all else of an item, and nothing but its row needs it. */
  receipts: '$3::text[]',
  id: '$4::uuid',
  market: '$5::text',
  leaves: '$6::bytea',
  root: '$7::bytea',
  signature: '$8::bytea',
  keyId: '$9::text',
  respondBy: '$10::timestamptz',
};

const COMMIT_SQL = `
WITH locked AS MATERIALIZED (
  -- A snapshot kept in memory does not know the messages that came meanwhile: they are asked for here, by key.
  SELECT item.*
  FROM unnest($1::authorization_commit_item[]) AS item
  JOIN accounts a ON a.organization_id = item.organization_id AND a.id = item.account_id
  WHERE a.version = item.expected_version
    AND (SELECT p.version FROM programs p WHERE p.organization_id = item.organization_id AND p.id = item.program_id) = item.program_version
    -- The organization is compared in a way that no index answers: that of the primary key must not be taken for this.
    AND (SELECT z.id FROM authorizations z WHERE z.processor_authorization_id = item.processor_authorization_id
      AND z.vendor = item.vendor AND z.organization_id IS NOT DISTINCT FROM item.organization_id) IS NULL
    AND (SELECT m.message_id FROM card_messages m WHERE m.organization_id = item.organization_id AND m.vendor = item.vendor
      AND m.message_id = item.message_id) IS NULL
    AND (item.ended_before OR (SELECT v.message_id FROM card_messages v
      WHERE v.processor_authorization_id = item.processor_authorization_id AND v.authorization_id IS NULL
        AND v.kind IN ('reversal', 'clearing') AND v.organization_id = item.organization_id AND v.vendor = item.vendor
        AND coalesce(v.answer ->> 'reversed_message_id', item.message_id) = item.message_id LIMIT 1) IS NULL)
  ORDER BY a.organization_id, a.id
  FOR UPDATE OF a
), survivor AS MATERIALIZED (
  SELECT timed.*, timed.late OR timed.state = 'declined' AS refused
  -- Read after the lock was had: waiting for it counts.
  FROM (SELECT locked.*, state <> 'declined' AND clock_timestamp() > respond_by AS late FROM locked) AS timed
), leg AS MATERIALIZED (
  SELECT y.*, survivor.organization_id, survivor.account_id, survivor.authorization_id
  FROM unnest($2::authorization_commit_leg[]) AS y
  JOIN survivor ON survivor.ordinal = y.ordinal AND NOT survivor.refused
), bumped AS (
  UPDATE accounts a SET version = a.version + 1,
    loan_hold = CASE WHEN survivor.refused THEN a.loan_hold ELSE a.loan_hold + survivor.loan_hold END,
    spend_counters = CASE WHEN survivor.refused THEN a.spend_counters ELSE coalesce(survivor.account_windows, a.spend_counters) END
  FROM survivor WHERE a.organization_id = survivor.organization_id AND a.id = survivor.account_id
), held_funds AS (
  UPDATE ledger_accounts f SET pending_debits = f.pending_debits + leg.amount, version = f.version + 1
  FROM leg WHERE leg.kind = 'stablecoin_sale' AND f.organization_id = leg.organization_id AND f.id = leg.debit_account_id
), held_loan AS (
  INSERT INTO ledger_accounts (organization_id, id, type, key, asset, normal, materialised, account_id, pending_debits, version)
  SELECT organization_id, debit_account_id, 'cardholder.loan', debit_key, asset, 'debit', true, account_id, amount, 1
  FROM leg WHERE kind = 'loan_draw'
), ledger_transaction AS (
  INSERT INTO ledger_transactions (organization_id, id, template, effective_at)
  SELECT organization_id, authorization_id, 'place-authorization-hold', decided_at
  FROM survivor WHERE NOT refused AND holds
), transfer AS (
  INSERT INTO ledger_transfers (organization_id, id, transaction_id, label, kind, debit_account_id, credit_account_id, asset, amount, leg_id)
  SELECT organization_id, transfer_id, authorization_id, label, 'pending', debit_account_id, credit_account_id, asset, amount, leg_id
  FROM leg
), authorization_row AS (
  INSERT INTO authorizations (organization_id, id, account_id, card_id, program_id, vendor, processor_authorization_id, message_id,
    content_hash, kind, state, decline_reason, currency, requested_amount, approved_amount, hold_amount, fee_amount, cash_amount,
    balance, merchant_amount, merchant_currency, merchant, channel, avs, cvc, receipt, batch_id, batch_ordinal, occurred_at,
    respond_by, expires_at, created_at)
  SELECT organization_id, authorization_id, account_id, card_id, program_id, vendor, processor_authorization_id, message_id,
    content_hash, kind, CASE WHEN late THEN 'declined' ELSE state END, CASE WHEN late THEN 'late' ELSE decline_reason END, currency,
    requested_amount, CASE WHEN late THEN 0 ELSE approved_amount END, CASE WHEN late THEN 0 ELSE hold_amount END,
    CASE WHEN late THEN 0 ELSE fee_amount END, cash_amount, balance, merchant_amount, merchant_currency, merchant, channel, avs, cvc,
    (${BATCH.receipts})[ordinal + 1], ${BATCH.id}, ordinal, occurred_at, respond_by, CASE WHEN late THEN NULL ELSE expires_at END, decided_at
  FROM survivor
), funding_leg AS (
  INSERT INTO funding_legs (organization_id, id, account_id, authorization_id, ordinal, kind, asset, price_usd_e8, held_amount, held_usd, hold_transfer_id)
  SELECT organization_id, leg_id, account_id, authorization_id, leg_ordinal, kind, asset, price_usd_e8, amount, amount_usd, transfer_id
  FROM leg
), counter AS (
  INSERT INTO limit_counters (organization_id, account_id, scope_id, windows)
  SELECT organization_id, account_id, card_id, card_windows FROM survivor WHERE NOT refused AND card_windows IS NOT NULL
  ON CONFLICT (organization_id, account_id, scope_id) DO UPDATE SET windows = excluded.windows
), sealed AS (
  INSERT INTO receipt_batches (id, market, leaves, root, signature, key_id)
  SELECT ${BATCH.id}, ${BATCH.market}, ${BATCH.leaves}, ${BATCH.root}, ${BATCH.signature}, ${BATCH.keyId}
  WHERE EXISTS (SELECT FROM survivor)
), outbox AS (
  INSERT INTO outbox_batches (id, holds, respond_by)
  SELECT ${BATCH.id}, jsonb_agg(jsonb_build_array(organization_id, authorization_id) ORDER BY ordinal), ${BATCH.respondBy}
  FROM survivor WHERE NOT refused AND holds HAVING count(*) > 0
)
SELECT ordinal, late FROM survivor`;

/** Object ids of the types that the commit's rows have in one database. */
export interface CommitTypes {
  readonly item: number;
  readonly leg: number;
}

export async function loadCommitTypes(client: Pool | PoolClient): Promise<CommitTypes> {
  const { rows } = await client.query<CommitTypes>(
    `SELECT 'authorization_commit_item'::regtype::oid::int AS item, 'authorization_commit_leg'::regtype::oid::int AS leg`,
  );
  return required(rows[0], 'the types of the commit');
}

/**
 * Writes all decided items at once: hold, counters and decision of an item together or not at all, with the seal on the
 * batch's receipts and the row that has its workflows started. Returns the items that were written; the others met a newer
 * version, or a message of their purchase that the decision did not know, and have to be decided again.
 */
export async function commitDecisions(
  client: Pool | PoolClient,
  types: CommitTypes,
  items: readonly CommitItem[],
  legs: readonly CommitLeg[],
  batch: CommitBatch,
): Promise<readonly Committed[]> {
  const { id, receipts, market, leaves, root, signature, keyId, respondBy } = batch;
  const { rows } = await client.query<Committed>({
    name: 'authorization-commit',
    text: COMMIT_SQL,
    values: [
      binaryRows(types.item, ITEM_FIELDS, items, writeItem),
      binaryRows(types.leg, LEG_FIELDS, legs, writeLeg),
      binaryTexts(receipts),
      id,
      market,
      leaves,
      root,
      signature,
      keyId,
      respondBy.toISOString(),
    ],
  });
  return rows;
}

/** Every answer of these batches was handed to its vendor. */
export async function markAnswered(client: Pool | PoolClient, batchIds: readonly string[]): Promise<void> {
  await client.query({
    name: 'authorization-answered',
    text: 'UPDATE outbox_batches SET answered_at = now() WHERE id = ANY($1::uuid[]) AND answered_at IS NULL',
    values: [batchIds],
  });
}

/** Locks accounts in key order, so that what is read next cannot change before it is committed. */
export async function lockAccounts(
  client: PoolClient,
  accounts: readonly { readonly organizationId: string; readonly accountId: string }[],
): Promise<void> {
  await client.query({
    name: 'authorization-lock-accounts',
    text: `SELECT 1 FROM accounts a JOIN unnest($1::uuid[], $2::uuid[]) AS w(organization_id, id)
      ON a.organization_id = w.organization_id AND a.id = w.id ORDER BY a.organization_id, a.id FOR UPDATE OF a`,
    values: [accounts.map((each) => each.organizationId), accounts.map((each) => each.accountId)],
  });
}

/** Makes sure that ledger accounts which no cardholder owns exist before a hold names them. */
export async function ensurePositionAccounts(
  client: Pool | PoolClient,
  accounts: readonly {
    readonly organizationId: string;
    readonly id: string;
    readonly key: string;
    readonly asset: string;
  }[],
): Promise<void> {
  await client.query({
    name: 'authorization-ensure-positions',
    text: `INSERT INTO ledger_accounts (organization_id, id, type, key, asset, normal, materialised)
      SELECT organization_id, id, 'position', key, asset, 'debit', false
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS w(organization_id, id, key, asset)
      ORDER BY organization_id, id ON CONFLICT DO NOTHING`,
    values: [
      accounts.map((each) => each.organizationId),
      accounts.map((each) => each.id),
      accounts.map((each) => each.key),
      accounts.map((each) => each.asset),
    ],
  });
}
