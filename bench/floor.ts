import { Client, Pool } from 'pg';
import { closedLoop, openLoop, type Series } from './measure';

const FLOOR_ROWS = 2_000;
const CONNECTIONS_AT_RATE = 64;

/** Creates what the floor needs: a function that inserts one row and updates another. */
export async function prepareFloor(superuserUrl: string): Promise<void> {
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query(`
    CREATE TABLE bench_balances (id integer PRIMARY KEY, amount bigint NOT NULL);
    CREATE TABLE bench_entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, balance_id integer NOT NULL, amount bigint NOT NULL);
    INSERT INTO bench_balances SELECT n, 0 FROM generate_series(1, ${FLOOR_ROWS}) AS n;
    CREATE FUNCTION bench_floor(which integer, change bigint) RETURNS void LANGUAGE sql AS $$
      INSERT INTO bench_entries (balance_id, amount) VALUES (which, change);
      UPDATE bench_balances SET amount = amount + change WHERE id = which;
    $$;`);
  await client.end();
}

/** One prepared call of that function, one commit per call, at the given concurrency. */
export function measureFloor(superuserUrl: string, inFlight: number, seconds: number): Promise<Series> {
  return withFloor(superuserUrl, inFlight, (call) => closedLoop(inFlight, seconds, call));
}

/** The same call offered at a steady rate: what the machine's own stalls make of the slowest answers. */
export function measureFloorAtRate(superuserUrl: string, perSecond: number, seconds: number): Promise<Series> {
  return withFloor(superuserUrl, CONNECTIONS_AT_RATE, async (call) => {
    // All connections are open before the clock runs: opening sixty-four at once is a tenth of a second of both cores.
    await closedLoop(CONNECTIONS_AT_RATE, 1, call);
    return openLoop(perSecond, seconds, call);
  });
}

async function withFloor(
  superuserUrl: string,
  connections: number,
  measure: (call: () => Promise<void>) => Promise<Series>,
): Promise<Series> {
  const pool = new Pool({ connectionString: superuserUrl, max: connections });
  try {
    return await measure(async () => {
      await pool.query({
        name: 'bench-floor',
        text: 'SELECT bench_floor($1, $2)',
        values: [1 + Math.floor(Math.random() * FLOOR_ROWS), 1],
      });
    });
  } finally {
    await pool.end();
  }
}
