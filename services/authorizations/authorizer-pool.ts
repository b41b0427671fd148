import type { Socket } from 'node:net';
import { Pool, type PoolClient } from 'pg';

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
  const pool = new Pool({
    connectionString,
    max,
    application_name: 'escudo-authorizer',
    connectionTimeoutMillis: silentMaxMs,
    // The other end of the same: locks of a transaction whose process is gone are let go, and a statement that nobody waits for any more
    // ends (a sum of a program that is too large for it would be begun again and again beside itself).
    options: `-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off -c idle_in_transaction_session_timeout=${silentMaxMs} -c statement_timeout=${silentMaxMs}`,
  });
  endSilentConnections(pool, silentMaxMs);
  return pool;
}

/**
 * By one timer for each socket. `query_timeout` makes one for each statement, and what that leaves behind (with the statement's
 * parameters, four kilobytes for a purchase) outlives every collection but the ones of all memory, which it brings about.
 */
function endSilentConnections(pool: Pool, silentMaxMs: number): void {
  const working = new WeakSet<PoolClient>();
  pool.on('acquire', (client) => working.add(client));
  pool.on('release', (_error, client) => working.delete(client));
  pool.on('connect', (client) => {
    // Whatever it works on fails with the same error; an error that nobody listens for would end the process.
    client.on('error', () => undefined);
    const socket = socketOf(client);
    socket.setTimeout(silentMaxMs);
    // Not as `setTimeout`'s own listener: that hears of the first silence only, which may be one between two purchases.
    socket.on('timeout', () => {
      if (working.has(client)) socket.destroy(new Error(`PostgreSQL has been silent for ${silentMaxMs} ms`));
    });
  });
}

/** The socket under a connected client, encrypted or not: the client has it, though its types do not say so. */
function socketOf(client: PoolClient): Socket {
  return (client as PoolClient & { readonly connection: { readonly stream: Socket } }).connection.stream;
}
