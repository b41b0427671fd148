import { Pool } from 'pg';

/**
 * The hot path's own pool. Its two statements look rows up by key, always: a plan made while tables were empty or their
 * statistics old must not turn into a scan, and planning again for every batch costs a millisecond.
 */
export function createAuthorizerPool(connectionString: string, max: number): Pool {
  return new Pool({
    connectionString,
    max,
    application_name: 'escudo-authorizer',
    options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off',
  });
}
