import type { Knex } from 'knex';
import type { IngressHeaders } from '../providers/processor/port';

export type InboxState = 'received' | 'processed' | 'unknown' | 'conflict' | 'failed';

export interface InboxRow {
  readonly vendor: string;
  readonly message_id: string;
  readonly content_hash: string;
  readonly topic: string;
  readonly headers: IngressHeaders;
  readonly raw: Buffer;
  readonly state: InboxState;
  readonly attempts: number;
  readonly detail: string | null;
  readonly received_at: Date;
}

export type NewInboxRow = Pick<
  InboxRow,
  'vendor' | 'message_id' | 'content_hash' | 'topic' | 'headers' | 'raw' | 'received_at'
> & { readonly next_attempt_at: Date };

/** False when the vendor used the message id before. */
export async function insertInboxMessage(knex: Knex, row: NewInboxRow): Promise<boolean> {
  const inserted = await knex('inbox_messages')
    .insert({ ...row, headers: JSON.stringify(row.headers) })
    .onConflict(['vendor', 'message_id'])
    .ignore()
    .returning('message_id');
  return inserted.length > 0;
}

export async function findInboxMessage(knex: Knex, vendor: string, messageId: string): Promise<InboxRow | undefined> {
  return knex('inbox_messages').where({ vendor, message_id: messageId }).first<InboxRow | undefined>();
}

export async function finishInboxMessage(
  knex: Knex,
  vendor: string,
  messageId: string,
  end: { readonly state: 'processed' | 'unknown' | 'conflict'; readonly detail: string | null; readonly at: Date },
): Promise<void> {
  await knex('inbox_messages')
    .where({ vendor, message_id: messageId })
    .update({ state: end.state, detail: end.detail, processed_at: end.at, attempts: knex.raw('attempts + 1') });
}

/** Counts a failed attempt; after the last one the message is `failed` and waits for people. */
export async function postponeInboxMessage(
  knex: Knex,
  vendor: string,
  messageId: string,
  failure: { readonly detail: string; readonly nextAttemptAt: Date; readonly final: boolean },
): Promise<void> {
  await knex('inbox_messages')
    .where({ vendor, message_id: messageId, state: 'received' })
    .update({
      state: failure.final ? 'failed' : 'received',
      detail: failure.detail,
      next_attempt_at: failure.nextAttemptAt,
      attempts: knex.raw('attempts + 1'),
    });
}

/** Takes messages that are due; until `leaseUntil` nobody else does. */
export async function claimDueInboxMessages(
  knex: Knex,
  now: Date,
  leaseUntil: Date,
  limit: number,
): Promise<InboxRow[]> {
  const claimed: { rows: InboxRow[] } = await knex.raw(
    `WITH due AS MATERIALIZED (
       SELECT vendor, message_id FROM inbox_messages
       WHERE state = 'received' AND next_attempt_at <= ?
       ORDER BY next_attempt_at LIMIT ? FOR UPDATE SKIP LOCKED
     )
     UPDATE inbox_messages m SET next_attempt_at = ?
     FROM due WHERE m.vendor = due.vendor AND m.message_id = due.message_id
     RETURNING m.*`,
    [now, limit, leaseUntil],
  );
  return claimed.rows;
}
