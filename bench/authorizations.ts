import type { Authorizer } from '../services/authorizations/authorize-spend';
import { createAuthorizerPool } from '../services/authorizations/authorizer-pool';
import { startApiProcess } from '../test/builders/api-process';
import { createSpendingWorld, purchase, type WorldAccount } from '../test/builders/spending-world';
import { createTestAuthorizer } from '../test/builders/test-authorizer';
import { type BenchDatabase, startBenchDatabase } from './bench-database';
import { measureFloor, measureFloorAtRate, prepareFloor } from './floor';
import { type BenchRun, closedLoop, openLoop, report, type Series, toRun } from './measure';
import { processorTime } from './processor-time';

const ACCOUNTS = 2_000;
const LEVELS = [1, 8, 32, 128];
/** Of the load to the api process: as many as are ever in flight. What is due beyond them waits, and its waiting counts. */
const CONNECTIONS = 128;

/** Accounts with limits and rules on all three levels, so that every check has something to look at. */
export function benchWorld(database: Pick<BenchDatabase, 'superuserUrl'>) {
  return createSpendingWorld(database.superuserUrl, {
    accounts: ACCOUNTS,
    funds: { USDC: 10n ** 15n },
    policy: {
      limits: { per_transaction_amount: '1000000', day_amount: '100000000000', month_count: 1_000_000_000 },
    },
    cardControls: {
      limits: { per_transaction_amount: '900000', day_amount: '90000000000', week_count: 1_000_000_000 },
      blocked_merchant_groups: ['gambling', 'cash'],
      blocked_merchant_countries: ['PRK'],
    },
  });
}

export function oneOf(accounts: readonly WorldAccount[]): WorldAccount {
  const account = accounts[Math.floor(Math.random() * accounts.length)];
  if (!account) throw new Error('the world has no accounts');
  return account;
}

/** An authorizer of its own process, as the api makes it. `accountsKeptMax` 0 reads every account anew. */
export function benchAuthorizer(database: BenchDatabase, accountsKeptMax: number) {
  const pool = createAuthorizerPool(database.urls.escudo_authorizer, 4);
  const batches = { count: 0, items: 0, conflicts: 0 };
  const authorizer = createTestAuthorizer(pool, {
    limits: { inFlightMax: 2, besideFrom: 32, batchMax: 64, waitingMax: 10_000 },
    accountsKeptMax,
    observer: {
      decided: () => undefined,
      batchRan: (size, _ms, conflicts) => {
        batches.count += 1;
        batches.items += size;
        batches.conflicts += conflicts;
      },
      conflicting: () => undefined,
      failed: (error) => {
        throw error;
      },
    },
  });
  const close = async () => {
    await authorizer.close();
    await pool.end();
  };
  return { authorizer, batches, close };
}

/** One purchase of 5 USD, decided, committed and handed over. */
export async function spendOnce(authorizer: Authorizer, accounts: readonly WorldAccount[]): Promise<void> {
  const request = purchase(oneOf(accounts), 500n);
  const reply = await authorizer.authorize(request);
  authorizer.answered(request);
  if (reply.outcome !== 'approved') throw new Error(`declined: ${reply.declineReason}`);
}

async function inProcess(
  database: BenchDatabase,
  seconds: number,
  floors: ReadonlyMap<number, Series>,
  name: string,
  accountsKeptMax: number,
) {
  const { accounts } = await benchWorld(database);
  const { authorizer, batches, close } = benchAuthorizer(database, accountsKeptMax);
  const runs: BenchRun[] = [];
  const processor: Record<string, { node_us: number; postgres_us: number }> = {};
  // Each account once, so that what is kept is kept before the clock runs.
  for (let next = 0; next < accounts.length; next += LEVELS.length * 32) {
    await Promise.all(
      accounts.slice(next, next + LEVELS.length * 32).map((account) => spendOnce(authorizer, [account])),
    );
  }
  for (const inFlight of LEVELS) {
    const before = processorTime(database.serverPid);
    const itemsBefore = batches.items;
    const series = await closedLoop(inFlight, seconds, () => spendOnce(authorizer, accounts));
    const after = processorTime(database.serverPid);
    const items = batches.items - itemsBefore;
    if (before && after) {
      processor[inFlight] = {
        node_us: Math.round(((after.node - before.node) * 1000) / items),
        postgres_us: Math.round(((after.postgres - before.postgres) * 1000) / items),
      };
    }
    const floor = floors.get(inFlight);
    if (floor) runs.push(toRun(name, inFlight, series, floor));
  }
  await close();
  return { runs, batches, processor };
}

/** The same purchases, signed and sent over HTTP to an api process; this process, the load, shares its cores. */
async function overHttp(database: BenchDatabase, seconds: number, floors: ReadonlyMap<number, Series>) {
  const { accounts } = await benchWorld(database);
  const api = await startApiProcess(database.urls, CONNECTIONS);
  const runs: BenchRun[] = [];
  const call = async () => {
    const { status, result } = await api.authorize(oneOf(accounts), 500);
    if (result !== 'APPROVED') throw new Error(`not approved: ${status} ${result}`);
  };
  try {
    for (const inFlight of LEVELS) {
      const series = await closedLoop(inFlight, seconds, call);
      const floor = floors.get(inFlight);
      if (floor) runs.push(toRun('http', inFlight, series, floor));
    }
    const sustained = Math.max(...runs.map((run) => run.per_s));
    const halfSeconds = Math.max(seconds, 5);
    const half = await openLoop(sustained / 2, halfSeconds, call);
    const floorAtHalf = await measureFloorAtRate(database.superuserUrl, sustained / 2, halfSeconds);
    const round = (value: number) => Number(value.toFixed(2));
    return {
      runs,
      half: {
        offered_per_s: Math.round(sustained / 2),
        answered_per_s: Math.round(half.perSecond),
        p50_ms: round(half.p50),
        p95_ms: round(half.p95),
        p99_ms: round(half.p99),
        floor_p50_ms: round(floorAtHalf.p50),
        floor_p99_ms: round(floorAtHalf.p99),
      },
    };
  } finally {
    await api.stop();
  }
}

export async function benchAuthorizations(json: boolean, seconds: number): Promise<void> {
  const database = await startBenchDatabase();
  try {
    await prepareFloor(database.superuserUrl);
    const floors = new Map<number, Series>();
    for (const inFlight of LEVELS) floors.set(inFlight, await measureFloor(database.superuserUrl, inFlight, seconds));
    // First, while this process has nothing else to remember: it times the answers, and its own pauses count as theirs.
    const http = await overHttp(database, seconds, floors);
    const kept = await inProcess(database, seconds, floors, 'in-process', 20_000);
    const read = await inProcess(database, seconds, floors, 'read anew', 0);
    report('authorizations', [...kept.runs, ...read.runs, ...http.runs], json, {
      http_at_half_rate: http.half,
      processor_time_per_authorization: { 'in-process': kept.processor, 'read anew': read.processor },
      batch_size_mean: Number((kept.batches.items / kept.batches.count).toFixed(1)),
      conflicts: kept.batches.conflicts,
    });
  } finally {
    await database.stop();
  }
}
