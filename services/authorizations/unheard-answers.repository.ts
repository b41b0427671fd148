import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { AuthorizationRequestKind } from '../providers/processor/port';
import type { AuthorizationRow } from './authorization.repository';
import { isAboutAmount } from './rules/amendment';
import type { StoredAnswer } from './stored-answer';

/** One batch of answers that nobody has confirmed as given. */
export interface UnheardBatch {
  readonly id: string;
  /** Organization and authorization of each hold that was placed. */
  readonly holds: readonly (readonly [organizationId: string, authorizationId: string])[];
  readonly respond_by: Date;
  /** This time included. */
  readonly asked: number;
}

/**
 * Takes up to `limit` batches whose answers were due before `dueBefore` and are not known to have been given. For `leaseMs`
 * nobody else takes them. Needs the worker's role.
 */
export async function claimUnheardBatches(
  knex: Knex,
  times: { readonly now: Date; readonly dueBefore: Date; readonly leaseMs: number },
  limit: number,
): Promise<UnheardBatch[]> {
  const claimed: { rows: UnheardBatch[] } = await knex.raw(
    `WITH due AS MATERIALIZED (
       SELECT id FROM outbox_batches
       WHERE answered_at IS NULL AND resolved_at IS NULL AND respond_by < :dueBefore AND (ask_at IS NULL OR ask_at <= :now)
       ORDER BY respond_by LIMIT :limit FOR UPDATE SKIP LOCKED
     )
     UPDATE outbox_batches b SET asked = b.asked + 1, ask_at = :leasedUntil
     FROM due WHERE b.id = due.id
     RETURNING b.id, b.holds, b.respond_by, b.asked`,
    {
      now: times.now,
      dueBefore: times.dueBefore,
      leasedUntil: new Date(times.now.getTime() + times.leaseMs),
      limit,
    },
  );
  return claimed.rows;
}

export async function resolveBatch(knex: Knex, batchId: string, now: Date): Promise<void> {
  await knex('outbox_batches').where({ id: batchId }).update({ resolved_at: now });
}

export async function askBatchAgain(knex: Knex, batchId: string, at: Date): Promise<void> {
  await knex('outbox_batches').where({ id: batchId }).update({ ask_at: at });
}

/** What the processor has to be asked about one hold. Needs the worker's role. */
export async function findHold(
  knex: Knex,
  organizationId: string,
  authorizationId: string,
): Promise<Pick<AuthorizationRow, 'vendor' | 'processor_authorization_id' | 'message_id' | 'state'> | undefined> {
  return knex('authorizations')
    .where({ organization_id: organizationId, id: authorizationId })
    .first('vendor', 'processor_authorization_id', 'message_id', 'state');
}

/** Whether the network has told or asked anything about the purchase after the message that it began with. */
export async function isSpokenOf(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'id' | 'message_id'>,
): Promise<boolean> {
  const messages = trx('card_messages')
    .where({ authorization_id: authorization.id, organization_id: authorization.organization_id })
    .limit(2)
    .select('message_id');
  if (authorization.message_id !== null) messages.whereNot({ message_id: authorization.message_id });
  return (await messages).length > (authorization.message_id === null ? 1 : 0);
}

/** Whether {@link answerLateFromNowOn} was done. */
export async function isAnsweredLate(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'vendor' | 'message_id'>,
): Promise<boolean> {
  const { organization_id, vendor, message_id } = authorization;
  if (message_id === null) return false;
  return (await trx('card_messages').where({ organization_id, vendor, message_id }).first('message_id')) !== undefined;
}

/** The legs that were placed for what was asked for on top of a purchase. */
export async function legIdsOfAmendments(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<readonly string[]> {
  const rows: { leg_ids: readonly string[] }[] = await trx('authorization_amendments')
    .where({ organization_id: organizationId, authorization_id: authorizationId })
    .select('leg_ids');
  return rows.flatMap((row) => row.leg_ids);
}

/**
 * Whether a new total was approved since, or told, that has in it what the purchase began with: what is held is held for that total.
 * One that was taken back itself says nothing any more.
 */
export async function isInLaterTotal(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'id'>,
): Promise<boolean> {
  const { organization_id, id: authorization_id } = authorization;
  const totals: { kind: AuthorizationRequestKind }[] = await trx('authorization_amendments')
    .where({ organization_id, authorization_id, amount_basis: 'total' })
    .whereNot({ outcome: 'declined' })
    .whereRaw("answer_state IS DISTINCT FROM 'taken_back'")
    .select('kind');
  return totals.some(({ kind }) => isAboutAmount(kind));
}

/**
 * From now on a repetition of the purchase's first message is answered that it came too late: nothing is held for it any
 * more. Does nothing where the first message's answer is a row of its own.
 */
export async function answerLateFromNowOn(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'id'>,
): Promise<void> {
  const answer: StoredAnswer = {
    outcome: 'declined',
    approved_amount: '0',
    decline_reason: 'late',
    balance: null,
    authorization_id: authorization.id,
  };
  await trx.raw(
    `INSERT INTO card_messages (organization_id, vendor, message_id, content_hash, kind, processor_authorization_id, account_id,
       authorization_id, answer)
     SELECT organization_id, vendor, message_id, content_hash, kind, processor_authorization_id, account_id, id, ?
     FROM authorizations WHERE organization_id = ? AND id = ? AND message_id IS NOT NULL AND content_hash IS NOT NULL`,
    [JSON.stringify(answer), authorization.organization_id, authorization.id],
  );
}

/** Answers that are not known to have been heard after the processor was asked about them. */
export interface UnheardAnswers {
  readonly waiting: number;
  readonly oldestAgeMs: number;
}

/** First approvals are counted by batches. `oldestAgeMs` is since the answers were due. Needs the worker's role. */
export async function readUnheardAnswers(knex: Knex): Promise<Readonly<Record<'first' | 'increment', UnheardAnswers>>> {
  const read = async (table: string, waits: string): Promise<UnheardAnswers> => {
    const result: { rows: { waiting: number; age: number }[] } = await knex.raw(
      `SELECT count(*)::int AS waiting, coalesce(extract(epoch FROM now() - min(respond_by)) * 1000, 0)::float8 AS age
       FROM ${table} WHERE ${waits} AND asked > 0`,
    );
    return { waiting: result.rows[0]?.waiting ?? 0, oldestAgeMs: result.rows[0]?.age ?? 0 };
  };
  return {
    first: await read('outbox_batches', 'answered_at IS NULL AND resolved_at IS NULL'),
    increment: await read('authorization_amendments', "answer_state = 'awaited'"),
  };
}
