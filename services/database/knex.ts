import knexFactory, { type Knex } from 'knex';
import './pg-types';

/** When PostgreSQL ends what a pool's sessions do, in milliseconds; null: it does not. */
export interface SessionLimits {
  /** One statement, with its wait for locks. */
  readonly statementMs: number | null;
  /** A wait for one lock. */
  readonly lockMs: number | null;
  /** A transaction in which nothing is said: its process is stuck or gone, and what it locked is let go. */
  readonly idleInTransactionMs: number | null;
}

/** For tools that somebody watches. Processes that serve have limits of their own (services/config/load-config.ts). */
const UNLIMITED: SessionLimits = { statementMs: null, lockMs: null, idleInTransactionMs: null };

/** A knex instance on one role's pool. `poolMax` connections at most. */
export function createKnex(
  connectionString: string,
  poolMax: number,
  applicationName: string,
  { statementMs, lockMs, idleInTransactionMs }: SessionLimits = UNLIMITED,
): Knex {
  return knexFactory({
    client: 'pg',
    connection: {
      connectionString,
      application_name: applicationName,
      ...(statementMs === null ? {} : { statement_timeout: statementMs }),
      ...(lockMs === null ? {} : { lock_timeout: lockMs }),
      ...(idleInTransactionMs === null ? {} : { idle_in_transaction_session_timeout: idleInTransactionMs }),
    },
    pool: { min: 0, max: poolMax },
    acquireConnectionTimeout: 10_000,
  });
}
