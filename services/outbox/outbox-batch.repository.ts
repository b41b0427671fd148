import type { Knex } from 'knex';
import type { SourceBacklog } from './outbox.repository';

/** Holds that were committed together and whose workflows wait to be started, as the relay claims them. */
export interface ClaimedBatch {
  readonly id: string;
  /** `[organization id, authorization id]` each. */
  readonly holds: readonly (readonly [string, string])[];
  /** This attempt included. */
  readonly attempts: number;
  readonly created_at: Date;
}

/**
 * Takes up to `limit` batches that are due, oldest first. For `leaseMs` no other relay sees them; a relay that dies lets
 * them go by that. Needs the worker's role.
 */
export async function claimBatches(knex: Knex, limit: number, leaseMs: number): Promise<ClaimedBatch[]> {
  const claimed: { rows: ClaimedBatch[] } = await knex.raw(
    `WITH due AS MATERIALIZED (
       SELECT id FROM outbox_batches
       WHERE done_at IS NULL AND available_at <= now()
       ORDER BY available_at, id LIMIT ? FOR UPDATE SKIP LOCKED
     )
     UPDATE outbox_batches b SET attempts = b.attempts + 1, available_at = now() + ? * interval '1 millisecond'
     FROM due WHERE b.id = due.id
     RETURNING b.id, b.holds, b.attempts, b.created_at`,
    [limit, leaseMs],
  );
  return claimed.rows;
}

/** Every workflow of the batch was started. */
export async function finishBatch(knex: Knex, id: string): Promise<void> {
  await knex('outbox_batches').where({ id }).whereNull('done_at').update({ done_at: knex.fn.now(), failure: null });
}

export async function postponeBatch(knex: Knex, id: string, waitMs: number, failure: string): Promise<void> {
  await knex('outbox_batches')
    .where({ id })
    .whereNull('done_at')
    .update({ available_at: knex.raw("now() + ? * interval '1 millisecond'", [waitMs]), failure });
}

/** `waiting` counts workflows to start, not batches. */
export async function readBatchBacklog(knex: Knex): Promise<SourceBacklog> {
  const result: { rows: { waiting: number; age: number }[] } = await knex.raw(
    `SELECT coalesce(sum(jsonb_array_length(holds)), 0)::int AS waiting,
       coalesce(extract(epoch FROM now() - min(created_at)) * 1000, 0)::float8 AS age
     FROM outbox_batches WHERE done_at IS NULL`,
  );
  const row = result.rows[0];
  return { waiting: row?.waiting ?? 0, oldestAgeMs: row?.age ?? 0 };
}

/**
 * Removes up to `limit` batches that were finished before `before`, the oldest first. One whose answers nobody reported as given,
 * nor asked the processor after, stays: it is the trace by which an unheard answer's hold is found. Returns how many went.
 */
export async function deleteFinishedBatches(knex: Knex, before: Date, limit: number): Promise<number> {
  const gone: { rowCount: number } = await knex.raw(
    // By where they lie: joined by key, a portion of thousands is planned as a read of the whole table.
    `DELETE FROM outbox_batches WHERE ctid = ANY(ARRAY(
       SELECT ctid FROM outbox_batches WHERE done_at < ? AND (answered_at IS NOT NULL OR resolved_at IS NOT NULL)
       ORDER BY done_at LIMIT ? FOR UPDATE
     ))`,
    [before, limit],
  );
  return gone.rowCount;
}
