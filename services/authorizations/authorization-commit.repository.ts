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
  /** The version the decision was taken at: any other version, and the item is not written. */
  readonly expected_version: string;
  readonly respond_by: string;
  readonly vendor: string;
  readonly message_id: string;
  readonly content_hash: string;
  readonly kind: string;
  readonly processor_authorization_id: string;
  /** Null: the message is recorded with its answer only (it names an authorization that is already known). */
  readonly authorization_id: string | null;
  readonly known_authorization_id: string | null;
  readonly card_id: string;
  readonly program_id: string;
  readonly state: 'pending' | 'cleared' | 'declined';
  readonly decline_reason: string | null;
  readonly currency: string;
  readonly requested_amount: string;
  readonly approved_amount: string;
  readonly hold_amount: string;
  readonly merchant_amount: string;
  readonly merchant_currency: string;
  readonly merchant: unknown;
  readonly channel: string;
  readonly receipt: unknown;
  readonly occurred_at: string;
  readonly expires_at: string | null;
  readonly answer: unknown;
  /** Base units of the borrowed asset that this hold adds to the account's pending loans. */
  readonly loan_hold: string;
  /** Null when nothing is held. */
  readonly ledger_transaction_id: string | null;
  readonly decided_at: string;
  readonly account_windows: unknown;
  readonly card_windows: unknown;
  readonly event_id: string;
  readonly event_type: string;
  readonly event_data: unknown;
  /** Null when no workflow follows (declined, or nothing held). */
  readonly command_id: string | null;
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

export interface Committed {
  readonly ordinal: number;
  /** The answer's time had passed when its turn came: recorded as declined, nothing held. */
  readonly late: boolean;
}

/** Separates the values of a column in one text parameter. JSON escapes it, and no other value may carry it. */
const SEPARATOR = '\u001e';

/**
 * The columns of an item, in the order of the statement's parameters. Each travels as one text, its values joined by a
 * separator: building and parsing arrays of arrays cost more than deciding did.
 */
const ITEM_COLUMNS: readonly (readonly [keyof CommitItem, string])[] = [
  ['ordinal', 'int'],
  ['organization_id', 'uuid'],
  ['account_id', 'uuid'],
  ['expected_version', 'bigint'],
  ['respond_by', 'timestamptz'],
  ['vendor', 'text'],
  ['message_id', 'text'],
  ['content_hash', 'text'],
  ['kind', 'text'],
  ['processor_authorization_id', 'text'],
  ['authorization_id', 'uuid'],
  ['known_authorization_id', 'uuid'],
  ['card_id', 'uuid'],
  ['program_id', 'uuid'],
  ['state', 'text'],
  ['decline_reason', 'text'],
  ['currency', 'text'],
  ['requested_amount', 'numeric'],
  ['approved_amount', 'numeric'],
  ['hold_amount', 'numeric'],
  ['merchant_amount', 'numeric'],
  ['merchant_currency', 'text'],
  ['merchant', 'jsonb'],
  ['channel', 'text'],
  ['receipt', 'text'],
  ['occurred_at', 'timestamptz'],
  ['expires_at', 'timestamptz'],
  ['answer', 'jsonb'],
  ['loan_hold', 'numeric'],
  ['ledger_transaction_id', 'uuid'],
  ['decided_at', 'timestamptz'],
  ['account_windows', 'jsonb'],
  ['card_windows', 'jsonb'],
  ['event_id', 'uuid'],
  ['event_type', 'text'],
  ['event_data', 'jsonb'],
  ['command_id', 'uuid'],
];

const LEG_COLUMNS: readonly (readonly [keyof CommitLeg, string])[] = [
  ['ordinal', 'int'],
  ['leg_id', 'uuid'],
  ['leg_ordinal', 'smallint'],
  ['kind', 'text'],
  ['asset', 'text'],
  ['amount', 'numeric'],
  ['amount_usd', 'numeric'],
  ['price_usd_e8', 'numeric'],
  ['transfer_id', 'uuid'],
  ['label', 'text'],
  ['debit_account_id', 'uuid'],
  ['debit_key', 'text'],
  ['credit_account_id', 'uuid'],
];

/** `unnest(…) AS name(columns)` over joined texts, the first of which is parameter `first`. An empty value is null. */
function unnestColumns(columns: readonly (readonly [string, string])[], first: number, name: string): string {
  const arrays = columns.map(([, type], index) => `string_to_array($${first + index}, E'\\x1e', '')::${type}[]`);
  return `unnest(${arrays.join(', ')}) AS ${name}(${columns.map(([column]) => column).join(', ')})`;
}

function joinColumns<T>(rows: readonly T[], columns: readonly (readonly [keyof T, string])[]): string[] {
  return columns.map(([column]) =>
    rows
      .map((row) => {
        const value = row[column];
        const text = value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
        invariant(!text.includes(SEPARATOR), `${String(column)} carries a control character`);
        return text;
      })
      .join(SEPARATOR),
  );
}

/** What an item past its time is stored with instead. */
const LATE_ANSWER = '{"outcome": "declined", "approved_amount": "0", "decline_reason": "late", "balance": null}';
const LATE_EVENT =
  '{"state": "declined", "decline_reason": "late", "approved": {"amount": "0.00", "asset": "USD"}, "hold": {"amount": "0.00", "asset": "USD"}, "expires_at": null}';

const COMMIT_SQL = `
WITH item AS MATERIALIZED (
  SELECT * FROM ${unnestColumns(ITEM_COLUMNS, 1, 'x')}
), locked AS MATERIALIZED (
  SELECT item.ordinal, item.respond_by, item.state
  FROM item JOIN accounts a ON a.organization_id = item.organization_id AND a.id = item.account_id
  WHERE a.version = item.expected_version
  ORDER BY a.organization_id, a.id
  FOR UPDATE OF a
), live AS MATERIALIZED (
  -- Read after the lock was had: waiting for it counts.
  SELECT ordinal, state <> 'declined' AND clock_timestamp() > respond_by AS late FROM locked
), survivor AS MATERIALIZED (
  SELECT item.*, live.late, live.late OR item.state = 'declined' AS refused FROM item JOIN live USING (ordinal)
), leg AS MATERIALIZED (
  SELECT y.*, survivor.organization_id, survivor.account_id, survivor.authorization_id, survivor.ledger_transaction_id
  FROM ${unnestColumns(LEG_COLUMNS, ITEM_COLUMNS.length + 1, 'y')}
  JOIN survivor ON survivor.ordinal = y.ordinal AND NOT survivor.refused
), bumped AS (
  UPDATE accounts a SET version = a.version + 1,
    loan_hold = a.loan_hold + CASE WHEN survivor.refused THEN 0 ELSE survivor.loan_hold END,
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
  INSERT INTO ledger_transactions (organization_id, id, template, idempotency_key, effective_at)
  SELECT organization_id, ledger_transaction_id, 'place-authorization-hold', 'authorization:' || authorization_id || ':hold', decided_at
  FROM survivor WHERE NOT refused AND ledger_transaction_id IS NOT NULL
), transfer AS (
  INSERT INTO ledger_transfers (organization_id, id, transaction_id, label, kind, debit_account_id, credit_account_id, asset, amount, leg_id)
  SELECT organization_id, transfer_id, ledger_transaction_id, label, 'pending', debit_account_id, credit_account_id, asset, amount, leg_id
  FROM leg
), authorization_row AS (
  INSERT INTO authorizations (organization_id, id, account_id, card_id, program_id, vendor, processor_authorization_id, state,
    decline_reason, currency, requested_amount, approved_amount, hold_amount, merchant_amount, merchant_currency, merchant,
    channel, receipt, occurred_at, respond_by, expires_at, created_at)
  SELECT organization_id, authorization_id, account_id, card_id, program_id, vendor, processor_authorization_id,
    CASE WHEN late THEN 'declined' ELSE state END, CASE WHEN late THEN 'late' ELSE decline_reason END, currency, requested_amount,
    CASE WHEN late THEN 0 ELSE approved_amount END, CASE WHEN late THEN 0 ELSE hold_amount END, merchant_amount,
    merchant_currency, merchant, channel, receipt, occurred_at, respond_by, CASE WHEN late THEN NULL ELSE expires_at END, decided_at
  FROM survivor WHERE authorization_id IS NOT NULL
), funding_leg AS (
  INSERT INTO funding_legs (organization_id, id, account_id, authorization_id, ordinal, kind, asset, price_usd_e8, held_amount, held_usd, hold_transfer_id)
  SELECT organization_id, leg_id, account_id, authorization_id, leg_ordinal, kind, asset, price_usd_e8, amount, amount_usd, transfer_id
  FROM leg
), message AS (
  INSERT INTO card_messages (organization_id, vendor, message_id, content_hash, kind, processor_authorization_id, account_id, authorization_id, answer)
  SELECT organization_id, vendor, message_id, content_hash, kind, processor_authorization_id, account_id,
    coalesce(authorization_id, known_authorization_id), CASE WHEN late THEN answer || '${LATE_ANSWER}' ELSE answer END
  FROM survivor
), counter AS (
  INSERT INTO limit_counters (organization_id, account_id, scope_id, windows)
  SELECT organization_id, account_id, card_id, card_windows FROM survivor WHERE NOT refused AND card_windows IS NOT NULL
  ON CONFLICT (organization_id, account_id, scope_id) DO UPDATE SET windows = excluded.windows
), event AS (
  INSERT INTO events (organization_id, id, type, resource_kind, resource_id, data)
  SELECT organization_id, event_id, CASE WHEN late THEN 'authorization.declined' ELSE event_type END, 'authorization', authorization_id,
    CASE WHEN late THEN event_data || '${LATE_EVENT}' ELSE event_data END
  FROM survivor WHERE authorization_id IS NOT NULL
), command AS (
  INSERT INTO outbox_commands (organization_id, id, workflow_type, workflow_id, payload)
  SELECT organization_id, command_id, 'spendAuthorization', 'authorization:' || authorization_id,
    json_build_object('organizationId', organization_id, 'authorizationId', authorization_id)
  FROM survivor WHERE NOT refused AND command_id IS NOT NULL
)
SELECT ordinal, late FROM live`;

/**
 * Writes all decided items at once: hold, counters, decision, message, event and workflow command of an item together or
 * not at all. Returns the items that were written; the others met a newer account version and have to be decided again.
 */
export async function commitDecisions(
  client: Pool | PoolClient,
  items: readonly CommitItem[],
  legs: readonly CommitLeg[],
): Promise<readonly Committed[]> {
  const { rows } = await client.query<Committed>({
    name: 'authorization-commit',
    text: COMMIT_SQL,
    values: [...joinColumns(items, ITEM_COLUMNS), ...joinColumns(legs, LEG_COLUMNS)],
  });
  return rows;
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
