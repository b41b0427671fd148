import type { Transaction } from '../database/transaction';
import { ledgerAccountId } from './account-id';
import { LEDGER_ACCOUNT_TYPES, type LedgerAccountRef, type LedgerAccountType, type TransferKind } from './draft';
import { type Counters, postedBalance, ZERO_COUNTERS } from './rules/account-balance';

/** A ledger account with the id that its name gives it. */
export interface NamedLedgerAccount {
  readonly id: string;
  readonly ref: LedgerAccountRef;
}

/** A row of `ledger_accounts`; the counters are kept only where `materialised`. */
export interface LedgerAccountRow {
  readonly organization_id: string;
  readonly id: string;
  readonly type: LedgerAccountType;
  readonly key: string;
  readonly asset: string;
  readonly materialised: boolean;
  readonly account_id: string | null;
  readonly posted_debits: bigint;
  readonly posted_credits: bigint;
  readonly pending_debits: bigint;
  readonly pending_credits: bigint;
}

/** A row of `ledger_transfers`, amounts in base units of `asset`. */
export interface TransferRow {
  readonly organization_id: string;
  readonly id: string;
  readonly transaction_id: string;
  readonly label: string;
  readonly kind: TransferKind;
  readonly debit_account_id: string;
  readonly credit_account_id: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly pending_transfer_id: string | null;
  readonly leg_id: string | null;
  readonly recorded_at: Date;
}

export interface NewTransferRow {
  readonly id: string;
  readonly transactionId: string;
  readonly label: string;
  readonly kind: TransferKind;
  readonly debitAccountId: string;
  readonly creditAccountId: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly pendingTransferId: string | null;
  readonly legId: string | null;
}

function countersOf(row: {
  readonly posted_debits: bigint;
  readonly posted_credits: bigint;
  readonly pending_debits: bigint;
  readonly pending_credits: bigint;
}): Counters {
  return {
    postedDebits: row.posted_debits,
    postedCredits: row.posted_credits,
    pendingDebits: row.pending_debits,
    pendingCredits: row.pending_credits,
  };
}

/**
 * Makes the rows that are missing. `accounts` come sorted by id: two writers that both make rows then wait for each other
 * in one order only.
 */
export async function insertMissingLedgerAccounts(
  trx: Transaction,
  organizationId: string,
  accounts: readonly NamedLedgerAccount[],
): Promise<void> {
  await trx.raw(
    `INSERT INTO ledger_accounts (organization_id, id, type, key, asset, normal, materialised, account_id)
     SELECT ?, t.id, t.type, t.key, t.asset, t.normal, t.materialised, nullif(t.account_id, '')::uuid
       FROM unnest(?::uuid[], ?::text[], ?::text[], ?::text[], ?::text[], ?::boolean[], ?::text[])
         WITH ORDINALITY AS t (id, type, key, asset, normal, materialised, account_id, position)
      WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts have WHERE have.organization_id = ? AND have.id = t.id)
      ORDER BY t.position
     ON CONFLICT (organization_id, id) DO NOTHING`,
    [
      organizationId,
      accounts.map((account) => account.id),
      accounts.map((account) => account.ref.type),
      accounts.map((account) => account.ref.key),
      accounts.map((account) => account.ref.asset),
      accounts.map((account) => LEDGER_ACCOUNT_TYPES[account.ref.type].normal),
      accounts.map((account) => LEDGER_ACCOUNT_TYPES[account.ref.type].materialised),
      accounts.map((account) => account.ref.accountId ?? ''),
      organizationId,
    ],
  );
}

/** Locks the cardholder accounts, in id order, and moves their versions. Always before any ledger account is locked. */
export async function bumpAccountVersions(
  trx: Transaction,
  organizationId: string,
  accountIds: readonly string[],
): Promise<void> {
  if (accountIds.length === 0) return;
  await trx.raw(
    `WITH locked AS (
       SELECT id FROM accounts WHERE organization_id = ? AND id = ANY(?::uuid[]) ORDER BY id FOR UPDATE
     )
     UPDATE accounts SET version = version + 1, updated_at = now()
       FROM locked WHERE accounts.organization_id = ? AND accounts.id = locked.id`,
    [organizationId, [...accountIds], organizationId],
  );
}

/** The materialised rows among `ids`, locked in id order. */
export async function lockLedgerAccounts(
  trx: Transaction,
  organizationId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, LedgerAccountRow>> {
  const rows = await trx<LedgerAccountRow>('ledger_accounts')
    .where({ organization_id: organizationId, materialised: true })
    .whereIn('id', [...ids])
    .orderBy('id')
    .forUpdate();
  return new Map(rows.map((row) => [row.id, row]));
}

/** True when the transaction is new, false when its business key exists. */
export async function insertLedgerTransaction(
  trx: Transaction,
  organizationId: string,
  row: { readonly id: string; readonly template: string; readonly idempotencyKey: string; readonly effectiveAt: Date },
): Promise<boolean> {
  const result: { rows: unknown[] } = await trx.raw(
    `INSERT INTO ledger_transactions (organization_id, id, template, idempotency_key, effective_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (organization_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id`,
    [organizationId, row.id, row.template, row.idempotencyKey, row.effectiveAt],
  );
  return result.rows.length > 0;
}

/** Transactions by business key, with their transfers. */
export async function transactionsOfKeys(
  trx: Transaction,
  organizationId: string,
  idempotencyKeys: readonly string[],
): Promise<ReadonlyMap<string, { readonly template: string; readonly transfers: readonly TransferRow[] }>> {
  const transactions: { id: string; template: string; idempotency_key: string }[] = await trx('ledger_transactions')
    .where({ organization_id: organizationId })
    .whereIn('idempotency_key', [...idempotencyKeys])
    .select('id', 'template', 'idempotency_key');
  if (transactions.length === 0) return new Map();
  const transfers = await trx<TransferRow>('ledger_transfers')
    .where({ organization_id: organizationId })
    .whereIn(
      'transaction_id',
      transactions.map((transaction) => transaction.id),
    );
  return new Map(
    transactions.map((transaction) => [
      transaction.idempotency_key,
      {
        template: transaction.template,
        transfers: transfers.filter((transfer) => transfer.transaction_id === transaction.id),
      },
    ]),
  );
}

/** Holds by id, each with Σ of the posts, voids and expiries that name it. Call it under the lock of a hold's account. */
export async function holdsWithUse(
  trx: Transaction,
  organizationId: string,
  holdTransferIds: readonly string[],
): Promise<ReadonlyMap<string, TransferRow & { readonly used: bigint }>> {
  if (holdTransferIds.length === 0) return new Map();
  const result: { rows: (TransferRow & { used: bigint })[] } = await trx.raw(
    `SELECT hold.*, coalesce(
              (SELECT sum(part.amount) FROM ledger_transfers part
                WHERE part.organization_id = hold.organization_id AND part.pending_transfer_id = hold.id), 0) AS used
       FROM ledger_transfers hold
      WHERE hold.organization_id = ? AND hold.id = ANY(?::uuid[]) AND hold.kind = 'pending'`,
    [organizationId, [...holdTransferIds]],
  );
  return new Map(result.rows.map((row) => [row.id, row]));
}

export async function insertTransfers(
  trx: Transaction,
  organizationId: string,
  rows: readonly NewTransferRow[],
): Promise<void> {
  if (rows.length === 0) return;
  await trx('ledger_transfers').insert(
    rows.map((row) => ({
      organization_id: organizationId,
      id: row.id,
      transaction_id: row.transactionId,
      label: row.label,
      kind: row.kind,
      debit_account_id: row.debitAccountId,
      credit_account_id: row.creditAccountId,
      asset: row.asset,
      amount: row.amount.toString(),
      pending_transfer_id: row.pendingTransferId,
      leg_id: row.legId,
    })),
  );
}

/** Adds to the counters of materialised accounts, all of them locked before. */
export async function addToLedgerAccounts(
  trx: Transaction,
  organizationId: string,
  changes: ReadonlyMap<string, Counters>,
): Promise<void> {
  if (changes.size === 0) return;
  const ids = [...changes.keys()];
  const column = (pick: (change: Counters) => bigint) => [...changes.values()].map((change) => pick(change).toString());
  await trx.raw(
    `UPDATE ledger_accounts a
        SET posted_debits = a.posted_debits + c.posted_debits, posted_credits = a.posted_credits + c.posted_credits,
            pending_debits = a.pending_debits + c.pending_debits, pending_credits = a.pending_credits + c.pending_credits,
            version = a.version + 1
       FROM unnest(?::uuid[], ?::numeric[], ?::numeric[], ?::numeric[], ?::numeric[])
         AS c (id, posted_debits, posted_credits, pending_debits, pending_credits)
      WHERE a.organization_id = ? AND a.id = c.id`,
    [
      ids,
      column((change) => change.postedDebits),
      column((change) => change.postedCredits),
      column((change) => change.pendingDebits),
      column((change) => change.pendingCredits),
      organizationId,
    ],
  );
}

/** The four counters as SQL over rows (side, kind, amount); side is 'd' or 'c'. */
export const COUNTERS_SQL = `
  coalesce(sum(amount) FILTER (WHERE side = 'd' AND kind IN ('posted', 'post_pending')), 0) AS posted_debits,
  coalesce(sum(amount) FILTER (WHERE side = 'c' AND kind IN ('posted', 'post_pending')), 0) AS posted_credits,
  coalesce(sum(CASE WHEN kind = 'pending' THEN amount ELSE -amount END) FILTER (WHERE side = 'd' AND kind <> 'posted'), 0)
    AS pending_debits,
  coalesce(sum(CASE WHEN kind = 'pending' THEN amount ELSE -amount END) FILTER (WHERE side = 'c' AND kind <> 'posted'), 0)
    AS pending_credits`;

/** Counters of an account from its checkpoint and the transfers that the checkpoint does not cover. */
export async function derivedCounters(
  trx: Transaction,
  organizationId: string,
  ledgerAccount: string,
): Promise<Counters> {
  const result: { rows: LedgerAccountRow[] } = await trx.raw(
    `WITH checkpoint AS (
       SELECT * FROM ledger_checkpoints WHERE organization_id = ? AND ledger_account_id = ?
     ), newer AS (
       SELECT 'd' AS side, kind, amount FROM ledger_transfers
        WHERE organization_id = ? AND debit_account_id = ?
          AND xid >= coalesce((SELECT covers_below_xid FROM checkpoint), '0'::xid8)
       UNION ALL
       SELECT 'c', kind, amount FROM ledger_transfers
        WHERE organization_id = ? AND credit_account_id = ?
          AND xid >= coalesce((SELECT covers_below_xid FROM checkpoint), '0'::xid8)
     ), fresh AS (SELECT ${COUNTERS_SQL} FROM newer)
     SELECT fresh.posted_debits + coalesce(checkpoint.posted_debits, 0) AS posted_debits,
            fresh.posted_credits + coalesce(checkpoint.posted_credits, 0) AS posted_credits,
            fresh.pending_debits + coalesce(checkpoint.pending_debits, 0) AS pending_debits,
            fresh.pending_credits + coalesce(checkpoint.pending_credits, 0) AS pending_credits
       FROM fresh LEFT JOIN checkpoint ON true`,
    [organizationId, ledgerAccount, organizationId, ledgerAccount, organizationId, ledgerAccount],
  );
  const row = result.rows[0];
  return row === undefined ? ZERO_COUNTERS : countersOf(row);
}

/** Counters of one ledger account, kept or derived; zero when it does not exist yet. */
export async function countersOfRef(
  trx: Transaction,
  organizationId: string,
  ref: LedgerAccountRef,
): Promise<Counters> {
  const id = ledgerAccountId(organizationId, ref);
  if (!LEDGER_ACCOUNT_TYPES[ref.type].materialised) return derivedCounters(trx, organizationId, id);
  const row = await trx<LedgerAccountRow>('ledger_accounts').where({ organization_id: organizationId, id }).first();
  return row === undefined ? ZERO_COUNTERS : countersOf(row);
}

/** Posted balance on the account's normal side, base units; holds are not taken off. */
export async function balanceOf(trx: Transaction, organizationId: string, ref: LedgerAccountRef): Promise<bigint> {
  return postedBalance(ref.type, await countersOfRef(trx, organizationId, ref));
}

export async function transfersOfTransaction(
  trx: Transaction,
  organizationId: string,
  transactionId: string,
): Promise<readonly TransferRow[]> {
  return trx<TransferRow>('ledger_transfers')
    .where({ organization_id: organizationId, transaction_id: transactionId })
    .orderBy('id');
}
