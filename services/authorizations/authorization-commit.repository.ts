import type { Pool, PoolClient } from 'pg';
import { invariant } from '../shared/assert';

/**
 * One decided request as the commit writes it. Amounts are strings of base units, instants ISO 8601. The statement
 * repeats the template `ledger/templates/place-authorization-hold.ts` for speed; a test holds the two equal.
 */
export interface CommitItem {
  readonly ordinal: number;
  readonly organization_id: string;
  readonly account_id: string;
  /** The versions the decision was taken at: any others, and the item is not written. */
  readonly expected_version: string;
  readonly program_version: string;
  readonly respond_by: string;
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
  readonly requested_amount: string;
  readonly approved_amount: string;
  readonly hold_amount: string;
  readonly fee_amount: string;
  readonly cash_amount: string;
  readonly balance: string | null;
  readonly merchant_amount: string;
  readonly merchant_currency: string;
  readonly merchant: string;
  readonly channel: string;
  readonly avs: string;
  readonly cvc: string;
  readonly receipt: string;
  readonly occurred_at: string;
  readonly expires_at: string | null;
  /** Base units of the borrowed asset that this hold adds to the account's pending loans. */
  readonly loan_hold: string;
  readonly holds: boolean;
  readonly decided_at: string;
  readonly account_windows: string | null;
  readonly card_windows: string | null;
}

export interface CommitLeg {
  readonly ordinal: number;
  readonly leg_id: string;
  readonly leg_ordinal: number;
  readonly kind: 'stablecoin_sale' | 'loan_draw';
  readonly asset: string;
  readonly amount: string;
  readonly amount_usd: string;
  readonly price_usd_e8: string;
  readonly transfer_id: string;
  readonly label: string;
  readonly debit_account_id: string;
  readonly debit_key: string;
  readonly credit_account_id: string;
}

/** What a batch has once: the seal on its receipts. */
export interface CommitBatch {
  readonly id: string;
  /** Canonical JSON of the market that it was decided on. */
  readonly market: string;
  readonly leaves: Buffer;
  readonly root: Buffer;
  readonly signature: Buffer;
  readonly keyId: string;
  /** When the last of its answers would no longer be heard, ISO 8601. */
  readonly respondBy: string;
}

export interface Committed {
  readonly ordinal: number;
  /** The answer's time had passed when its turn came: recorded as declined, nothing held. */
  readonly late: boolean;
}

/** Separates the values of a text column in one parameter. JSON escapes it, and no other value may carry it. */
const SEPARATOR = '\u001e';

/**
 * Columns that never need quoting travel as array literals (`word`: our own words and codes); text is joined by a separator
 * and taken apart. Which way costs how much was measured: docs/decisions/0003.
 */
type ColumnType =
  | 'int'
  | 'smallint'
  | 'bigint'
  | 'numeric'
  | 'uuid'
  | 'timestamptz'
  | 'boolean'
  | 'word'
  | 'text'
  | 'json';
const JOINED: ReadonlySet<ColumnType> = new Set(['text', 'json']);
/** Of the SQL types, those that are not called as they are here. Cents travel as bigint: 9 × 10^16 dollars. */
const SQL_TYPE: Partial<Record<ColumnType, string>> = { word: 'text' };

type Columns<T> = readonly (readonly [keyof T & string, ColumnType])[];

const ITEM_COLUMNS: Columns<CommitItem> = [
  ['ordinal', 'int'],
  ['organization_id', 'uuid'],
  ['account_id', 'uuid'],
  ['expected_version', 'bigint'],
  ['program_version', 'bigint'],
  ['respond_by', 'timestamptz'],
  ['vendor', 'text'],
  ['message_id', 'text'],
  ['content_hash', 'text'],
  ['kind', 'word'],
  ['processor_authorization_id', 'text'],
  ['ended_before', 'boolean'],
  ['authorization_id', 'uuid'],
  ['card_id', 'uuid'],
  ['program_id', 'uuid'],
  ['state', 'word'],
  ['decline_reason', 'word'],
  ['currency', 'word'],
  ['requested_amount', 'bigint'],
  ['approved_amount', 'bigint'],
  ['hold_amount', 'bigint'],
  ['fee_amount', 'bigint'],
  ['cash_amount', 'bigint'],
  ['balance', 'bigint'],
  ['merchant_amount', 'bigint'],
  ['merchant_currency', 'text'],
  ['merchant', 'json'],
  ['channel', 'word'],
  ['avs', 'word'],
  ['cvc', 'word'],
  ['receipt', 'text'],
  ['occurred_at', 'timestamptz'],
  ['expires_at', 'timestamptz'],
  ['loan_hold', 'numeric'],
  ['holds', 'boolean'],
  ['decided_at', 'timestamptz'],
  ['account_windows', 'json'],
  ['card_windows', 'json'],
];

const LEG_COLUMNS: Columns<CommitLeg> = [
  ['ordinal', 'int'],
  ['leg_id', 'uuid'],
  ['leg_ordinal', 'smallint'],
  ['kind', 'word'],
  ['asset', 'text'],
  ['amount', 'numeric'],
  ['amount_usd', 'bigint'],
  ['price_usd_e8', 'numeric'],
  ['transfer_id', 'uuid'],
  ['label', 'word'],
  ['debit_account_id', 'uuid'],
  ['debit_key', 'text'],
  ['credit_account_id', 'uuid'],
];

const FIRST_LEG = ITEM_COLUMNS.length + 1;
const FIRST_BATCH = FIRST_LEG + LEG_COLUMNS.length;
const BATCH = {
  id: `$${FIRST_BATCH}::uuid`,
  market: `$${FIRST_BATCH + 1}::text`,
  leaves: `$${FIRST_BATCH + 2}::bytea`,
  root: `$${FIRST_BATCH + 3}::bytea`,
  signature: `$${FIRST_BATCH + 4}::bytea`,
  keyId: `$${FIRST_BATCH + 5}::text`,
  respondBy: `$${FIRST_BATCH + 6}::timestamptz`,
};

/** `unnest(…) AS name(columns)`, its first column being parameter `first`. An empty text is null. */
function unnestColumns(columns: readonly (readonly [string, ColumnType])[], first: number, name: string): string {
  const arrays = columns.map(([, type], index) => {
    const parameter = `$${first + index}`;
    if (!JOINED.has(type)) return `${parameter}::${SQL_TYPE[type] ?? type}[]`;
    const texts = `string_to_array(${parameter}, E'\\x1e', '')`;
    return type === 'text' ? texts : `${texts}::${type}[]`;
  });
  return `unnest(${arrays.join(', ')}) AS ${name}(${columns.map(([column]) => column).join(', ')})`;
}

function columnsOf<T>(rows: readonly T[], columns: Columns<T>): string[] {
  return columns.map(([column, type]) => {
    if (!JOINED.has(type)) return `{${rows.map((row) => row[column] ?? 'NULL').join(',')}}`;
    const joined = rows.map((row) => row[column] ?? '').join(SEPARATOR);
    return joined;
  });
}

const WORDS = /^[\w,-]*$/;

/** A value that carried what separates values would move all that come after it into other rows. */
function refuseSeparators<T>(rows: readonly T[], columns: Columns<T>, joined: readonly string[]): void {
  for (const [index, [column, type]] of columns.entries()) {
    if (!JOINED.has(type) && type !== 'word') continue;
    const text = joined[index] ?? '';
    const separator = type === 'word' ? ',' : SEPARATOR;
    let separators = 0;
    for (let at = text.indexOf(separator); at !== -1; at = text.indexOf(separator, at + 1)) separators += 1;
    const inPlace = separators === Math.max(rows.length - 1, 0) && (type !== 'word' || WORDS.test(text.slice(1, -1)));
    invariant(inPlace, `${column} carries what separates its values`);
  }
}

const COMMIT_SQL = `
WITH item AS MATERIALIZED (
  SELECT * FROM ${unnestColumns(ITEM_COLUMNS, 1, 'x')}
), locked AS MATERIALIZED (
  -- A snapshot kept in memory does not know the messages that came meanwhile: they are asked for here, by key.
  SELECT item.ordinal, item.respond_by, item.state
  FROM item JOIN accounts a ON a.organization_id = item.organization_id AND a.id = item.account_id
  WHERE a.version = item.expected_version
    AND (SELECT p.version FROM programs p WHERE p.organization_id = item.organization_id AND p.id = item.program_id) = item.program_version
    AND (SELECT z.id FROM authorizations z WHERE z.organization_id = item.organization_id AND z.vendor = item.vendor
      AND z.processor_authorization_id = item.processor_authorization_id) IS NULL
    AND (item.ended_before OR (SELECT v.message_id FROM card_messages v
      WHERE v.processor_authorization_id = item.processor_authorization_id AND v.authorization_id IS NULL
        AND v.kind IN ('reversal', 'clearing') AND v.organization_id = item.organization_id AND v.vendor = item.vendor LIMIT 1) IS NULL)
  ORDER BY a.organization_id, a.id
  FOR UPDATE OF a
), live AS MATERIALIZED (
  -- Read after the lock was had: waiting for it counts.
  SELECT ordinal, state <> 'declined' AND clock_timestamp() > respond_by AS late FROM locked
), survivor AS MATERIALIZED (
  SELECT item.*, live.late, live.late OR item.state = 'declined' AS refused FROM item JOIN live USING (ordinal)
), leg AS MATERIALIZED (
  SELECT y.*, survivor.organization_id, survivor.account_id, survivor.authorization_id
  FROM ${unnestColumns(LEG_COLUMNS, FIRST_LEG, 'y')}
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
    receipt, ${BATCH.id}, ordinal, occurred_at, respond_by, CASE WHEN late THEN NULL ELSE expires_at END, decided_at
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
SELECT ordinal, late FROM live`;

/**
 * Writes all decided items at once: hold, counters and decision of an item together or not at all, with the seal on the
 * batch's receipts and the row that has its workflows started. Returns the items that were written; the others met a newer
 * version, or a message of their purchase that the decision did not know, and have to be decided again.
 */
export async function commitDecisions(
  client: Pool | PoolClient,
  items: readonly CommitItem[],
  legs: readonly CommitLeg[],
  batch: CommitBatch,
): Promise<readonly Committed[]> {
  const itemColumns = columnsOf(items, ITEM_COLUMNS);
  const legColumns = columnsOf(legs, LEG_COLUMNS);
  refuseSeparators(items, ITEM_COLUMNS, itemColumns);
  refuseSeparators(legs, LEG_COLUMNS, legColumns);
  const { id, market, leaves, root, signature, keyId, respondBy } = batch;
  const { rows } = await client.query<Committed>({
    name: 'authorization-commit',
    text: COMMIT_SQL,
    values: [...itemColumns, ...legColumns, id, market, leaves, root, signature, keyId, respondBy],
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
