import type { Pool } from 'pg';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { CircuitBreaker } from './rules/circuit-breaker';
import type { PartnerCause } from './rules/partner-verdict';

/** A row of `partner_endpoints`, columns as they are named there. */
export interface PartnerEndpointRow {
  readonly organization_id: string;
  readonly id: string;
  readonly program_id: string;
  readonly url: string;
  readonly state: 'active' | 'disabled';
  readonly data_key: Buffer;
  readonly secret: Buffer;
  readonly secret_version: number;
  readonly previous_secret: Buffer | null;
  readonly previous_secret_expires_at: Date | null;
  readonly last_asked_at: Date | null;
  readonly last_cause: PartnerCause | null;
  readonly last_detail: string | null;
  readonly last_latency_ms: number | null;
  readonly breaker_state: CircuitBreaker['state'];
  readonly breaker_changed_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function findEndpoint(
  trx: Transaction,
  organizationId: string,
  programId: string,
): Promise<PartnerEndpointRow | undefined> {
  return trx<PartnerEndpointRow>('partner_endpoints')
    .where({ organization_id: organizationId, program_id: programId })
    .first();
}

/** Locks the program, so that two requests cannot make its endpoint at once, and says whether there is such a program. */
export async function lockEndpointOfProgram(
  trx: Transaction,
  organizationId: string,
  programId: string,
): Promise<{ readonly programExists: boolean; readonly endpoint: PartnerEndpointRow | undefined }> {
  const program: unknown = await trx('programs')
    .where({ organization_id: organizationId, id: programId })
    .forNoKeyUpdate()
    .first('id');
  if (program === undefined) return { programExists: false, endpoint: undefined };
  return { programExists: true, endpoint: await findEndpoint(trx, organizationId, programId) };
}

export async function insertEndpoint(
  trx: Transaction,
  row: Pick<PartnerEndpointRow, 'organization_id' | 'id' | 'program_id' | 'url' | 'state' | 'data_key' | 'secret'>,
): Promise<PartnerEndpointRow> {
  const rows = await trx('partner_endpoints').insert(row).returning<PartnerEndpointRow[]>('*');
  return required(rows[0], 'the new endpoint');
}

export type EndpointChange = Partial<
  Pick<
    PartnerEndpointRow,
    | 'url'
    | 'state'
    | 'secret'
    | 'secret_version'
    | 'previous_secret'
    | 'previous_secret_expires_at'
    | 'last_asked_at'
    | 'last_cause'
    | 'last_detail'
    | 'last_latency_ms'
    | 'breaker_state'
    | 'breaker_changed_at'
  >
>;

export async function updateEndpoint(
  trx: Transaction,
  organizationId: string,
  programId: string,
  change: EndpointChange,
): Promise<PartnerEndpointRow> {
  const rows = await trx('partner_endpoints')
    .where({ organization_id: organizationId, program_id: programId })
    .update({ ...change, updated_at: trx.fn.now() })
    .returning<PartnerEndpointRow[]>('*');
  return required(rows[0], 'the changed endpoint');
}

export async function deleteEndpoint(trx: Transaction, organizationId: string, programId: string): Promise<void> {
  await trx('partner_endpoints').where({ organization_id: organizationId, program_id: programId }).delete();
}

/** What came of a question, as it is shown. */
export interface EndpointResult {
  readonly organizationId: string;
  readonly programId: string;
  readonly endpointId: string;
  readonly askedAt: Date;
  readonly cause: PartnerCause;
  readonly detail: string | null;
  readonly latencyMs: number;
  readonly breaker: CircuitBreaker['state'];
}

/** Notes a result. Says what the breaker was before; null when the endpoint has been removed or made anew since. */
export async function noteResult(
  trx: Transaction,
  result: EndpointResult,
): Promise<{ readonly breakerBefore: CircuitBreaker['state']; readonly url: string } | null> {
  const where = { organization_id: result.organizationId, program_id: result.programId, id: result.endpointId };
  const before = await trx<PartnerEndpointRow>('partner_endpoints').where(where).forUpdate().first();
  if (before === undefined) return null;
  await trx('partner_endpoints')
    .where(where)
    .update({
      last_asked_at: result.askedAt,
      last_cause: result.cause,
      last_detail: result.detail,
      last_latency_ms: result.latencyMs,
      ...(before.breaker_state === result.breaker
        ? {}
        : { breaker_state: result.breaker, breaker_changed_at: trx.fn.now() }),
    });
  return { breakerBefore: before.breaker_state, url: before.url };
}

/** What a question needs to know of its endpoint and of the cardholder. */
export interface EndpointForQuestion
  extends Pick<
    PartnerEndpointRow,
    'id' | 'url' | 'state' | 'data_key' | 'secret' | 'secret_version' | 'previous_secret' | 'previous_secret_expires_at'
  > {
  readonly cardholder_external_id: string | null;
}

/** In one statement of the hot path's role, which sees every organization: hence both parts of each key. */
export async function endpointForQuestion(
  pool: Pick<Pool, 'query'>,
  key: { readonly organizationId: string; readonly programId: string; readonly cardholderId: string },
): Promise<EndpointForQuestion | null> {
  const found = await pool.query<EndpointForQuestion>({
    name: 'partner-endpoint-for-question',
    text: `SELECT e.id, e.url, e.state, e.data_key, e.secret, e.secret_version, e.previous_secret, e.previous_secret_expires_at,
        (SELECT h.external_id FROM cardholders h WHERE h.organization_id = e.organization_id AND h.id = $3) AS cardholder_external_id
      FROM partner_endpoints e WHERE e.organization_id = $1 AND e.program_id = $2`,
    values: [key.organizationId, key.programId, key.cardholderId],
  });
  return found.rows[0] ?? null;
}
