import { Client } from 'pg';
import type { WorldAccount } from '../test/builders/spending-world';
import { benchAuthorizer, benchWorld, spendOnce } from './authorizations';
import { type BenchDatabase, startBenchDatabase } from './bench-database';
import { measureFloor, prepareFloor } from './floor';
import { type BenchRun, closedLoop, report, toRun } from './measure';

const IN_FLIGHT = 32;
/** At least: the warm-up stores some of its own. */
const FEW_TRANSFERS = 10_000;
const MANY_TRANSFERS = 10_000_000;
/** One purchase of the past in ten keeps its authorization and funding leg; of the others only the ledger is stored. */
const TRANSFERS_PER_AUTHORIZATION = 10;
const CHUNK = 500_000;

interface Filling {
  readonly organizationId: string;
  readonly programId: string;
  readonly accounts: readonly WorldAccount[];
}

/** Stores purchases of the past, oldest first, until there are `until` transfers. Says how far it is on stderr. */
async function fill(database: BenchDatabase, world: Filling, until: number): Promise<number> {
  const client = new Client({ connectionString: database.superuserUrl });
  await client.connect();
  try {
    await client.query('SET synchronous_commit = off');
    let stored = await countTransfers(client);
    while (stored < until) {
      const chunk = Math.min(CHUNK, until - stored);
      await client.query(
        `CREATE TEMP TABLE filling AS
         SELECT uuidv7(interval '-1 year' + n * interval '1 microsecond') AS id, gen_random_uuid()::text AS processor_id,
                a.account_id, a.card_id, a.funds_id, n % $5 = 0 AS whole
           FROM generate_series($1::bigint, $2::bigint) AS n
           JOIN (SELECT row_number() OVER () - 1 AS place, l.account_id, l.id AS funds_id, c.id AS card_id
                   FROM ledger_accounts l JOIN cards c ON c.organization_id = l.organization_id AND c.account_id = l.account_id
                  WHERE l.organization_id = $3 AND l.type = 'cardholder.funds') a ON a.place = n % $4`,
        [stored + 1, stored + chunk, world.organizationId, world.accounts.length, TRANSFERS_PER_AUTHORIZATION],
      );
      await client.query(
        `INSERT INTO ledger_transactions (organization_id, id, template, effective_at)
         SELECT $1, id, 'place-authorization-hold', now() FROM filling`,
        [world.organizationId],
      );
      await client.query(
        `INSERT INTO ledger_transfers (organization_id, id, transaction_id, label, kind, debit_account_id, credit_account_id, asset, amount, leg_id)
         SELECT $1, id, id, 'hold-funds', 'pending', funds_id, $2, 'USDC', 5025000, id FROM filling`,
        [world.organizationId, world.programId],
      );
      await client.query(
        `INSERT INTO funding_legs (organization_id, id, account_id, authorization_id, ordinal, kind, asset, price_usd_e8, held_amount, held_usd, hold_transfer_id)
         SELECT $1, id, account_id, id, 0, 'stablecoin_sale', 'USDC', 100000000, 5025000, 500, id FROM filling WHERE whole`,
        [world.organizationId],
      );
      await client.query(
        `INSERT INTO authorizations (organization_id, id, account_id, card_id, program_id, vendor, processor_authorization_id, state,
           currency, requested_amount, approved_amount, hold_amount, merchant_amount, merchant_currency, merchant, channel, receipt,
           occurred_at, respond_by, expires_at)
         SELECT $1, id, account_id, card_id, $2, 'lithic', processor_id, 'pending', 'USD', 500, 500, 500, 500, 'USD', '{}', 'chip', '{}',
           now(), now(), now() + interval '7 days' FROM filling WHERE whole`,
        [world.organizationId, world.programId],
      );
      await client.query('DROP TABLE filling');
      stored += chunk;
      process.stderr.write(`  ${stored} transfers stored\n`);
    }
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
    return await countTransfers(client);
  } finally {
    await client.end();
  }
}

async function countTransfers(client: Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM ledger_transfers');
  return Number(rows[0]?.count ?? 0);
}

/** Throughput with ten thousand stored transfers and with ten million, on the same accounts, in one run. */
export async function benchGrowth(json: boolean, seconds: number): Promise<void> {
  const database = await startBenchDatabase();
  try {
    await prepareFloor(database.superuserUrl);
    const world = await benchWorld(database);
    // What is compared must not be the warming up of this process.
    const warmUp = benchAuthorizer(database, 20_000);
    await closedLoop(IN_FLIGHT, seconds, () => spendOnce(warmUp.authorizer, world.accounts));
    await warmUp.close();
    const runs: BenchRun[] = [];
    const stored: Record<string, number> = {};
    for (const [name, until] of [
      ['10 thousand', FEW_TRANSFERS],
      ['10 million', MANY_TRANSFERS],
    ] as const) {
      stored[name] = await fill(database, world, until);
      const floor = await measureFloor(database.superuserUrl, IN_FLIGHT, seconds);
      const { authorizer, close } = benchAuthorizer(database, 20_000);
      const series = await closedLoop(IN_FLIGHT, seconds, () => spendOnce(authorizer, world.accounts));
      await close();
      runs.push(toRun(name, IN_FLIGHT, series, floor));
    }
    const [few, many] = runs;
    report('growth', runs, json, {
      stored_transfers: stored,
      throughput_kept: few && many ? Number((many.per_s / few.per_s).toFixed(2)) : null,
      against_the_floor_kept: few && many ? Number((many.ratio / few.ratio).toFixed(2)) : null,
    });
  } finally {
    await database.stop();
  }
}
