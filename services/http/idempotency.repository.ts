import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';

export interface StoredAnswer {
  readonly request_hash: string;
  readonly status: number;
  /** The sealed answer, base64. */
  readonly response: string;
}

/** False while another transaction holds the same key; the lock ends with the transaction. */
export async function tryLockIdempotencyKey(trx: Transaction, lockId: bigint): Promise<boolean> {
  const result: { rows: { locked: boolean }[] } = await trx.raw(
    'SELECT pg_try_advisory_xact_lock(?::bigint) AS locked',
    [lockId.toString()],
  );
  return result.rows[0]?.locked === true;
}

export async function findStoredAnswer(
  trx: Transaction,
  organizationId: string,
  key: string,
): Promise<StoredAnswer | undefined> {
  const rows: StoredAnswer[] = await trx('idempotency_keys')
    .where({ organization_id: organizationId, key })
    .select('request_hash', 'status', 'response');
  return rows[0];
}

export async function insertStoredAnswer(
  trx: Transaction,
  organizationId: string,
  key: string,
  answer: StoredAnswer & { readonly method: string; readonly path: string },
): Promise<void> {
  await trx('idempotency_keys').insert({
    organization_id: organizationId,
    key,
    request_hash: answer.request_hash,
    method: answer.method,
    path: answer.path,
    status: answer.status,
    response: JSON.stringify(answer.response),
  });
}

/** Forgets answers that were stored before `before`, of every organization: needs the worker's role. Returns how many. */
export async function deleteStoredAnswers(knex: Knex, before: Date): Promise<number> {
  return knex('idempotency_keys').where('created_at', '<', before).delete();
}
