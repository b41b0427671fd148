import type { Transaction } from '../database/transaction';
import type { LedgerAccountType } from './draft';
import { COUNTERS_SQL, type TransferRow } from './ledger.repository';

/** Every transfer twice, once for each of its accounts. */
const SIDES = `
  SELECT organization_id, debit_account_id AS ledger_account_id, 'd' AS side, kind, amount, xid FROM ledger_transfers
  UNION ALL
  SELECT organization_id, credit_account_id, 'c', kind, amount, xid FROM ledger_transfers`;

interface CounterColumns {
  readonly posted_debits: bigint;
  readonly posted_credits: bigint;
  readonly pending_debits: bigint;
  readonly pending_credits: bigint;
}

export interface BalanceDifference {
  readonly id: string;
  readonly type: LedgerAccountType;
  readonly key: string;
  readonly asset: string;
  /** What the row, or the checkpoint with newer transfers, says. */
  readonly kept: CounterColumns;
  /** What all transfers say. */
  readonly recomputed: CounterColumns;
}

type DifferenceRow = Pick<BalanceDifference, 'id' | 'type' | 'key' | 'asset'> &
  CounterColumns & {
    readonly all_posted_debits: bigint;
    readonly all_posted_credits: bigint;
    readonly all_pending_debits: bigint;
    readonly all_pending_credits: bigint;
  };

/**
 * Rebuilds the balance of every ledger account from all transfers and returns the accounts where what is kept (row or
 * checkpoint) says something else. Empty is the proof. One statement, hence one snapshot: it may run beside writers.
 */
export async function recomputeBalances(
  trx: Transaction,
  organizationId: string,
): Promise<readonly BalanceDifference[]> {
  const result: { rows: DifferenceRow[] } = await trx.raw(
    `WITH sides AS (SELECT * FROM (${SIDES}) every_side WHERE organization_id = :organizationId),
     recomputed AS (SELECT ledger_account_id, ${COUNTERS_SQL} FROM sides GROUP BY ledger_account_id),
     newer AS (
       SELECT sides.ledger_account_id, ${COUNTERS_SQL} FROM sides
         LEFT JOIN ledger_checkpoints point
           ON point.organization_id = :organizationId AND point.ledger_account_id = sides.ledger_account_id
        WHERE sides.xid >= coalesce(point.covers_below_xid, '0'::xid8) GROUP BY sides.ledger_account_id
     ), compared AS (
       SELECT account.id, account.type, account.key, account.asset,
              CASE WHEN account.materialised THEN account.posted_debits
                   ELSE coalesce(point.posted_debits, 0) + coalesce(newer.posted_debits, 0) END AS posted_debits,
              CASE WHEN account.materialised THEN account.posted_credits
                   ELSE coalesce(point.posted_credits, 0) + coalesce(newer.posted_credits, 0) END AS posted_credits,
              CASE WHEN account.materialised THEN account.pending_debits
                   ELSE coalesce(point.pending_debits, 0) + coalesce(newer.pending_debits, 0) END AS pending_debits,
              CASE WHEN account.materialised THEN account.pending_credits
                   ELSE coalesce(point.pending_credits, 0) + coalesce(newer.pending_credits, 0) END AS pending_credits,
              coalesce(recomputed.posted_debits, 0) AS all_posted_debits,
              coalesce(recomputed.posted_credits, 0) AS all_posted_credits,
              coalesce(recomputed.pending_debits, 0) AS all_pending_debits,
              coalesce(recomputed.pending_credits, 0) AS all_pending_credits
         FROM ledger_accounts account
         LEFT JOIN recomputed ON recomputed.ledger_account_id = account.id
         LEFT JOIN newer ON newer.ledger_account_id = account.id
         LEFT JOIN ledger_checkpoints point
           ON point.organization_id = account.organization_id AND point.ledger_account_id = account.id
        WHERE account.organization_id = :organizationId
     )
     SELECT * FROM compared
      WHERE (posted_debits, posted_credits, pending_debits, pending_credits)
            IS DISTINCT FROM (all_posted_debits, all_posted_credits, all_pending_debits, all_pending_credits)
      ORDER BY type, key, asset`,
    { organizationId },
  );
  return result.rows.map((row) => ({
    id: row.id,
    type: row.type,
    key: row.key,
    asset: row.asset,
    kept: {
      posted_debits: row.posted_debits,
      posted_credits: row.posted_credits,
      pending_debits: row.pending_debits,
      pending_credits: row.pending_credits,
    },
    recomputed: {
      posted_debits: row.all_posted_debits,
      posted_credits: row.all_posted_credits,
      pending_debits: row.all_pending_debits,
      pending_credits: row.all_pending_credits,
    },
  }));
}

export interface AssetTotal {
  readonly asset: string;
  /** Σ debits − Σ credits over all accounts as they are kept: zero in sound books. */
  readonly difference: bigint;
}

/** One row per asset of the organization, from the balances as they are kept (rows and checkpoints), not from transfers. */
export async function assetTotals(trx: Transaction, organizationId: string): Promise<readonly AssetTotal[]> {
  const result: { rows: AssetTotal[] } = await trx.raw(
    `WITH sides AS (SELECT * FROM (${SIDES}) every_side WHERE organization_id = :organizationId),
     newer AS (
       SELECT sides.ledger_account_id, ${COUNTERS_SQL} FROM sides
         LEFT JOIN ledger_checkpoints point
           ON point.organization_id = :organizationId AND point.ledger_account_id = sides.ledger_account_id
        WHERE sides.xid >= coalesce(point.covers_below_xid, '0'::xid8) GROUP BY sides.ledger_account_id
     )
     SELECT account.asset, sum(
              CASE WHEN account.materialised THEN account.posted_debits - account.posted_credits
                   ELSE coalesce(point.posted_debits, 0) - coalesce(point.posted_credits, 0)
                        + coalesce(newer.posted_debits, 0) - coalesce(newer.posted_credits, 0) END) AS difference
       FROM ledger_accounts account
       LEFT JOIN newer ON newer.ledger_account_id = account.id
       LEFT JOIN ledger_checkpoints point
         ON point.organization_id = account.organization_id AND point.ledger_account_id = account.id
      WHERE account.organization_id = :organizationId
      GROUP BY account.asset ORDER BY account.asset`,
    { organizationId },
  );
  return result.rows;
}

export interface TrialBalanceLine {
  readonly type: LedgerAccountType;
  readonly asset: string;
  readonly debits: bigint;
  readonly credits: bigint;
}

/** Posted turnover by account type and asset of everything whose date (`effective_at`) is before `before`. */
export async function trialBalance(
  trx: Transaction,
  organizationId: string,
  before: Date,
): Promise<readonly TrialBalanceLine[]> {
  const result: { rows: TrialBalanceLine[] } = await trx.raw(
    `WITH posted AS (
       SELECT transfer.* FROM ledger_transfers transfer
         JOIN ledger_transactions transaction
           ON transaction.organization_id = transfer.organization_id AND transaction.id = transfer.transaction_id
        WHERE transfer.organization_id = :organizationId AND transfer.kind IN ('posted', 'post_pending')
          AND transaction.effective_at < :before
     ), sides AS (
       SELECT debit_account_id AS ledger_account_id, amount AS debit, 0 AS credit FROM posted
       UNION ALL SELECT credit_account_id, 0, amount FROM posted
     )
     SELECT account.type, account.asset, sum(sides.debit) AS debits, sum(sides.credit) AS credits
       FROM sides JOIN ledger_accounts account
         ON account.organization_id = :organizationId AND account.id = sides.ledger_account_id
      GROUP BY account.type, account.asset ORDER BY account.type, account.asset`,
    { organizationId, before },
  );
  return result.rows;
}

export interface OpenPosition {
  readonly leg_id: string | null;
  readonly asset: string;
  /** Posted debits less credits of `position`, base units; never zero. */
  readonly open_debit: bigint;
}

/** What `position` still holds per leg and asset: only legs that are not finished may be among it. */
export async function openPositions(
  trx: Transaction,
  organizationId: string,
  legIds?: readonly string[],
): Promise<readonly OpenPosition[]> {
  const result: { rows: OpenPosition[] } = await trx.raw(
    `WITH positions AS (
       SELECT id, asset FROM ledger_accounts WHERE organization_id = :organizationId AND type = 'position'
     ), moved AS (
       SELECT leg_id, positions.asset, amount FROM ledger_transfers JOIN positions ON positions.id = debit_account_id
        WHERE organization_id = :organizationId AND kind IN ('posted', 'post_pending')
       UNION ALL
       SELECT leg_id, positions.asset, -amount FROM ledger_transfers JOIN positions ON positions.id = credit_account_id
        WHERE organization_id = :organizationId AND kind IN ('posted', 'post_pending')
     )
     SELECT leg_id, asset, sum(amount) AS open_debit FROM moved
      WHERE :everyLeg::boolean OR leg_id = ANY(:legIds::uuid[])
      GROUP BY leg_id, asset HAVING sum(amount) <> 0 ORDER BY leg_id, asset`,
    { organizationId, everyLeg: legIds === undefined, legIds: [...(legIds ?? [])] as string[] },
  );
  return result.rows;
}

/** Transfers of one leg, refund or order, oldest first. */
export async function transfersOfLeg(
  trx: Transaction,
  organizationId: string,
  legId: string,
): Promise<readonly TransferRow[]> {
  return trx<TransferRow>('ledger_transfers').where({ organization_id: organizationId, leg_id: legId }).orderBy('id');
}

/**
 * Moves the checkpoint of every derived account up to the oldest transaction that still runs, and returns how many it
 * wrote. Ids and times are not commit order; below `pg_snapshot_xmin` nothing can appear any more.
 */
export async function writeCheckpoints(trx: Transaction, organizationId: string): Promise<number> {
  // Two writers would both add what is new to the older checkpoint: the second waits, and its statement then sees the first's.
  await trx.raw("SELECT pg_advisory_xact_lock(hashtextextended('ledger_checkpoints:' || ?, 0))", [organizationId]);
  const result: { rowCount: number } = await trx.raw(
    `WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin),
     sides AS (SELECT * FROM (${SIDES}) every_side WHERE organization_id = :organizationId),
     fresh AS (
       SELECT sides.ledger_account_id, ${COUNTERS_SQL} FROM sides
         JOIN ledger_accounts account ON account.organization_id = :organizationId AND account.id = sides.ledger_account_id
         LEFT JOIN ledger_checkpoints point
           ON point.organization_id = :organizationId AND point.ledger_account_id = sides.ledger_account_id
        WHERE NOT account.materialised
          AND sides.xid >= coalesce(point.covers_below_xid, '0'::xid8) AND sides.xid < (SELECT xmin FROM horizon)
        GROUP BY sides.ledger_account_id
     )
     INSERT INTO ledger_checkpoints AS point
       (organization_id, ledger_account_id, covers_below_xid, posted_debits, posted_credits, pending_debits, pending_credits)
     SELECT :organizationId, fresh.ledger_account_id, horizon.xmin, fresh.posted_debits, fresh.posted_credits,
            fresh.pending_debits, fresh.pending_credits
       FROM fresh CROSS JOIN horizon ORDER BY fresh.ledger_account_id
     ON CONFLICT (organization_id, ledger_account_id) DO UPDATE SET
       covers_below_xid = excluded.covers_below_xid, recorded_at = now(),
       posted_debits = point.posted_debits + excluded.posted_debits,
       posted_credits = point.posted_credits + excluded.posted_credits,
       pending_debits = point.pending_debits + excluded.pending_debits,
       pending_credits = point.pending_credits + excluded.pending_credits`,
    { organizationId },
  );
  return result.rowCount;
}
