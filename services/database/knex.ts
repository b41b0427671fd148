import knexFactory, { type Knex } from 'knex';
import './pg-types';

/** A knex instance on one role's pool. `poolMax` connections at most. */
export function createKnex(connectionString: string, poolMax: number, applicationName: string): Knex {
  return knexFactory({
    client: 'pg',
    connection: { connectionString, application_name: applicationName },
    pool: { min: 0, max: poolMax },
    acquireConnectionTimeout: 10_000,
  });
}
