import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { WorkflowType } from '../temporal/port';
import type { OutboxCommand } from './append-command';
import type { OutboxEvent } from './append-event';

export async function insertEvent(trx: Transaction, event: OutboxEvent & { readonly id: string }): Promise<void> {
  await trx('events').insert({
    organization_id: event.organizationId,
    id: event.id,
    type: event.type,
    resource_kind: event.resourceKind,
    resource_id: event.resourceId,
    data: JSON.stringify(event.data),
  });
}

/**
 * Inserts a command. Nobody is notified: NOTIFY takes one lock of the whole cluster at commit, so that commits would
 * queue behind each other; the relay asks often instead, over an index of the commands that still wait.
 */
export async function insertCommand(trx: Transaction, command: OutboxCommand & { readonly id: string }): Promise<void> {
  await trx('outbox_commands').insert({
    organization_id: command.organizationId,
    id: command.id,
    workflow_type: command.workflowType,
    workflow_id: command.workflowId,
    signal: command.signal ?? null,
    payload: JSON.stringify(command.payload),
  });
}

/** A command that waits, as the relay claims it. */
export interface ClaimedCommand {
  readonly organization_id: string;
  readonly id: string;
  readonly workflow_type: WorkflowType;
  readonly workflow_id: string;
  readonly signal: string | null;
  readonly payload: Readonly<Record<string, string>>;
  /** This attempt included. */
  readonly attempts: number;
  readonly created_at: Date;
}

/**
 * Takes up to `limit` commands that are due, of all organizations, oldest first. For `leaseMs` no other relay sees them;
 * a relay that dies lets them go by that. Needs the worker's role.
 */
export async function claimCommands(knex: Knex, limit: number, leaseMs: number): Promise<ClaimedCommand[]> {
  const claimed: { rows: ClaimedCommand[] } = await knex.raw(
    `WITH due AS MATERIALIZED (
       SELECT organization_id, id FROM outbox_commands
       WHERE done_at IS NULL AND available_at <= now()
       ORDER BY available_at, id LIMIT ? FOR UPDATE SKIP LOCKED
     )
     UPDATE outbox_commands c SET attempts = c.attempts + 1, available_at = now() + ? * interval '1 millisecond'
     FROM due WHERE c.organization_id = due.organization_id AND c.id = due.id
     RETURNING c.organization_id, c.id, c.workflow_type, c.workflow_id, c.signal, c.payload, c.attempts, c.created_at`,
    [limit, leaseMs],
  );
  return claimed.rows;
}

export async function finishCommand(knex: Knex, organizationId: string, id: string): Promise<void> {
  await knex('outbox_commands')
    .where({ organization_id: organizationId, id })
    .update({ done_at: knex.fn.now(), failure: null });
}

export async function postponeCommand(
  knex: Knex,
  organizationId: string,
  id: string,
  waitMs: number,
  failure: string,
): Promise<void> {
  await knex('outbox_commands')
    .where({ organization_id: organizationId, id })
    .whereNull('done_at')
    .update({ available_at: knex.raw("now() + ? * interval '1 millisecond'", [waitMs]), failure });
}

/** What waits for Temporal in one table. */
export interface SourceBacklog {
  readonly waiting: number;
  /** Of the oldest that waits; 0 when none does. */
  readonly oldestAgeMs: number;
}

export async function readCommandBacklog(knex: Knex): Promise<SourceBacklog> {
  const result: { rows: { waiting: number; age: number }[] } = await knex.raw(
    `SELECT count(*)::int AS waiting, coalesce(extract(epoch FROM now() - min(created_at)) * 1000, 0)::float8 AS age
     FROM outbox_commands WHERE done_at IS NULL`,
  );
  const row = result.rows[0];
  return { waiting: row?.waiting ?? 0, oldestAgeMs: row?.age ?? 0 };
}

/** Removes up to `limit` commands that were carried out before `before`, the oldest first. Returns how many. */
export async function deleteFinishedCommands(knex: Knex, before: Date, limit: number): Promise<number> {
  const gone: { rowCount: number } = await knex.raw(
    // By where they lie: joined by key, a portion of thousands is planned as a read of the whole table.
    `DELETE FROM outbox_commands WHERE ctid = ANY(ARRAY(
       SELECT ctid FROM outbox_commands WHERE done_at < ? ORDER BY done_at LIMIT ? FOR UPDATE
     ))`,
    [before, limit],
  );
  return gone.rowCount;
}
