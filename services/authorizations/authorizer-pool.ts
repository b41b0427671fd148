import { Pool } from 'pg';

/**
 * Longer than any statement of the hot path takes, and than anybody waits for an answer: a connection that is silent for so
 * long has lost its server without being told. Without a bound it would keep its batch, and one of the few places for
 * batches, for as long as TCP hopes: a quarter of an hour.
 */
const SILENT_MAX_MS = 10_000;

/**
 * The hot path's own pool. Its two statements look rows up by key, always: a plan made while tables were empty or their
 * statistics old must not turn into a scan, and planning again for every batch costs a millisecond.
 */
export function createAuthorizerPool(connectionString: string, max: number, silentMaxMs = SILENT_MAX_MS): Pool {
  return new Pool({
    connectionString,
    max,
    application_name: 'escudo-authorizer',
    query_timeout: silentMaxMs,
    connectionTimeoutMillis: silentMaxMs,
    // The other end of the same: locks of a transaction whose process is gone are let go.
    options: `-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off -c idle_in_transaction_session_timeout=${silentMaxMs}`,
  });
}
