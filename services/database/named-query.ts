import type { Knex } from 'knex';
import type { Pool } from 'pg';

/** Runs a statement with named bindings (`:name`): a worker's sums and those of an authorization are the same. */
export type QueryNamed = (
  sql: string,
  bindings: Readonly<Record<string, Knex.RawBinding>>,
) => Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;

export function namedOn(knex: Knex): QueryNamed {
  return (sql, bindings) => knex.raw(sql, bindings);
}

/** The same on a pool of the hot path. */
export function namedOnPool(pool: Pool): QueryNamed {
  return (sql, bindings) => {
    const values: unknown[] = [];
    const places = new Map<string, number>();
    const text = sql.replaceAll(/(?<!:):([a-z]\w*)/gi, (_, name: string) => {
      const place = places.get(name) ?? values.push(bindings[name]);
      places.set(name, place);
      return `$${place}`;
    });
    return pool.query({ text, values });
  };
}
