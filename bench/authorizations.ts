import { createAuthorizerPool } from '../services/authorizations/authorizer-pool';
import { startApiProcess } from '../test/builders/api-process';
import { createSpendingWorld, purchase, type WorldAccount } from '../test/builders/spending-world';
import { createTestAuthorizer } from '../test/builders/test-authorizer';
import { type BenchDatabase, startBenchDatabase } from './bench-database';
import { measureFloor, prepareFloor } from './floor';
import { type BenchRun, closedLoop, report, type Series, toRun } from './measure';

const ACCOUNTS = 2_000;
const LEVELS = [1, 8, 32, 128];

function benchWorld(database: BenchDatabase) {
  return createSpendingWorld(database.superuserUrl, {
    accounts: ACCOUNTS,
    funds: { USDC: 10n ** 15n },
    policy: { limits: { per_transaction_amount: '1000000', day_amount: '100000000000' } },
  });
}

function oneOf(accounts: readonly WorldAccount[]): WorldAccount {
  const account = accounts[Math.floor(Math.random() * accounts.length)];
  if (!account) throw new Error('the world has no accounts');
  return account;
}

/** The same purchases, signed and sent over HTTP to an api process; this process, the load, shares its cores. */
async function overHttp(
  database: BenchDatabase,
  seconds: number,
  floors: ReadonlyMap<number, Series>,
): Promise<BenchRun[]> {
  const { accounts } = await benchWorld(database);
  const api = await startApiProcess(database.urls, Math.max(...LEVELS));
  const runs: BenchRun[] = [];
  try {
    for (const inFlight of LEVELS) {
      const series = await closedLoop(inFlight, seconds, async () => {
        const { status, result } = await api.authorize(oneOf(accounts), 500);
        if (result !== 'APPROVED') throw new Error(`not approved: ${status} ${result}`);
      });
      const floor = floors.get(inFlight);
      if (floor) runs.push(toRun('http', inFlight, series, floor));
    }
  } finally {
    await api.stop();
  }
  return runs;
}

/** Purchases of 5 USD over many accounts, decided and committed by the authorizer in this process. */
async function inProcess(database: BenchDatabase, seconds: number, floors: ReadonlyMap<number, Series>) {
  const { accounts } = await benchWorld(database);
  const pool = createAuthorizerPool(database.urls.escudo_authorizer, 4);
  const batches = { count: 0, items: 0, conflicts: 0 };
  const authorizer = createTestAuthorizer(pool, {
    limits: { inFlightMax: 2, batchMax: 64, waitingMax: 10_000 },
    accountsKeptMax: 20_000,
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
  const runs: BenchRun[] = [];
  for (const inFlight of LEVELS) {
    const series = await closedLoop(inFlight, seconds, async () => {
      const request = purchase(oneOf(accounts), 500n);
      const reply = await authorizer.authorize(request);
      authorizer.answered(request);
      if (reply.outcome !== 'approved') throw new Error(`declined: ${reply.declineReason}`);
    });
    const floor = floors.get(inFlight);
    if (floor) runs.push(toRun('in-process', inFlight, series, floor));
  }
  await authorizer.close();
  await pool.end();
  return { runs, batches };
}

export async function benchAuthorizations(json: boolean, seconds: number): Promise<void> {
  const database = await startBenchDatabase();
  try {
    await prepareFloor(database.superuserUrl);
    const floors = new Map<number, Series>();
    for (const inFlight of LEVELS) floors.set(inFlight, await measureFloor(database.superuserUrl, inFlight, seconds));
    const direct = await inProcess(database, seconds, floors);
    const http = await overHttp(database, seconds, floors);
    report('authorizations', [...direct.runs, ...http], json, {
      batch_size_mean: Number((direct.batches.items / direct.batches.count).toFixed(1)),
      conflicts: direct.batches.conflicts,
    });
  } finally {
    await database.stop();
  }
}
