import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { inOrganization, type Transaction } from '../database/transaction';
import { open, seal } from '../encryption/sealed-box';
import type { Refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findStoredAnswer, insertStoredAnswer, tryLockIdempotencyKey } from './idempotency.repository';
import { Problem } from './problem';

export interface IdempotentRequest {
  readonly organizationId: string;
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly status: number;
  /** 32 bytes: stored answers may carry personal data, so they are sealed. */
  readonly answerKey: Buffer;
}

export interface IdempotentAnswer {
  readonly status: number;
  readonly view: unknown;
  readonly replayed: boolean;
}

/** Leaves the transaction without a trace of what was refused. */
class RolledBack extends Error {
  override readonly name = 'RolledBack';

  constructor(readonly refusal: Refusal) {
    super(refusal.detail);
  }
}

/**
 * Runs `effect` once for a key: the answer is stored in the same transaction as the effect, together with the hash of
 * the request. The same request again gets the stored answer, another one under the key a 422, and one that arrives
 * while the first still runs a 409. A refusal stores nothing, so that the same key works once its cause is mended.
 */
export async function runIdempotently(
  knex: Knex,
  request: IdempotentRequest,
  effect: (trx: Transaction) => Promise<Result<unknown, Refusal>>,
  forReplay: (view: unknown) => unknown,
): Promise<Result<IdempotentAnswer, Refusal>> {
  const hash = requestHash(request);
  return orRefusal(
    inOrganization(knex, request.organizationId, async (trx) => {
      if (!(await tryLockIdempotencyKey(trx, lockId(request)))) {
        throw new Problem(
          'idempotency_key_in_use',
          'the first request with this Idempotency-Key is still running: send it again in a moment to get its answer',
          [],
          { 'Retry-After': '1' },
        );
      }
      const stored = await findStoredAnswer(trx, request.organizationId, request.key);
      if (stored !== undefined) {
        if (stored.request_hash !== hash) {
          throw new Problem(
            'idempotency_key_reused',
            'this Idempotency-Key was sent before with another method, path or body: use a new key for a new request',
            [{ header: 'Idempotency-Key', code: 'reused', detail: 'belongs to another request' }],
          );
        }
        return { status: stored.status, view: openAnswer(request, stored.response), replayed: true };
      }
      const view = await valueOrRollback(effect(trx));
      await insertStoredAnswer(trx, request.organizationId, request.key, {
        request_hash: hash,
        method: request.method,
        path: request.path,
        status: request.status,
        response: sealAnswer(request, forReplay(view)),
      });
      return { status: request.status, view, replayed: false };
    }),
  );
}

/** Runs `effect` in one transaction of the organization; a refusal rolls it back. */
export async function runInTransaction<T>(
  knex: Knex,
  organizationId: string,
  effect: (trx: Transaction) => Promise<Result<T, Refusal>>,
): Promise<Result<T, Refusal>> {
  return orRefusal(inOrganization(knex, organizationId, (trx) => valueOrRollback(effect(trx))));
}

async function valueOrRollback<T>(result: Promise<Result<T, Refusal>>): Promise<T> {
  const outcome = await result;
  if (!outcome.ok) throw new RolledBack(outcome.error);
  return outcome.value;
}

async function orRefusal<T>(work: Promise<T>): Promise<Result<T, Refusal>> {
  try {
    return ok(await work);
  } catch (error) {
    if (error instanceof RolledBack) return err(error.refusal);
    throw error;
  }
}

function sealAnswer(request: IdempotentRequest, view: unknown): string {
  return seal(request.answerKey, Buffer.from(JSON.stringify(view)), answerContext(request)).toString('base64');
}

function openAnswer(request: IdempotentRequest, sealed: string): unknown {
  return JSON.parse(open(request.answerKey, Buffer.from(sealed, 'base64'), answerContext(request)).toString('utf8'));
}

function answerContext({ organizationId, key }: IdempotentRequest): string {
  return `${organizationId}\nidempotency_keys.response\n${key}`;
}

function requestHash(request: IdempotentRequest): string {
  return createHash('sha256')
    .update(`${request.method} ${request.path}\n${canonicalJson(request.body)}`)
    .digest('hex');
}

function lockId(request: IdempotentRequest): bigint {
  return createHash('sha256').update(`idempotency|${request.organizationId}|${request.key}`).digest().readBigInt64BE();
}

/** The same text for the same content, whatever the order of fields. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
