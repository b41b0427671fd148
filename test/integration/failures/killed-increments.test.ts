import type { Client } from 'pg';
import { sweepUnheardAnswers } from '../../../services/authorizations/sweep-unheard-answers';
import { sweepUnheardIncrements } from '../../../services/authorizations/sweep-unheard-increments';
import { required } from '../../../services/shared/assert';
import type { ApiProcess } from '../../builders/api-process';
import { brokenBooks } from '../../builders/books';
import { createKilledApiWorld, type KilledApiWorld, type SweepDeps } from '../../builders/killed-api-world';
import type { NetworkPurchase, PlayedNetwork } from '../../builders/played-network';
import { createSpendingWorld, type SpendingWorld } from '../../builders/spending-world';
import type { TestDatabase } from '../../setup/database';

jest.setTimeout(600_000);

const USDC = 1_000_000n;
const CONNECTIONS = 16;
const ACCOUNTS = 40;
const LOAD_MS = 1_200;
const ROUNDS = 2;
/** More rounds are played until a kill has met the answer to an increment on its way, up to so many. */
const ROUNDS_MAX = 12;

let killed: KilledApiWorld;
let database: TestDatabase;
let superuser: Client;
let network: PlayedNetwork;

beforeAll(async () => {
  killed = await createKilledApiWorld({ connections: CONNECTIONS });
  ({ database, superuser, network } = killed);
});

afterAll(async () => {
  await killed.end();
});

/** The worker's sweepers; two workers at once. */
async function sweepByTwo(deps: SweepDeps): Promise<number> {
  const settled = await Promise.all([
    sweepUnheardIncrements(deps),
    sweepUnheardIncrements(deps),
    sweepUnheardAnswers(deps),
  ]);
  return settled.reduce((sum, count) => sum + count, 0);
}

/** What the network counts of a purchase: only what it heard approved. */
function counted({ cents, approved, increments }: NetworkPurchase): bigint {
  const parts = [...(approved ? [cents] : []), ...increments.filter((each) => each.approved).map((each) => each.cents)];
  return BigInt(parts.reduce((sum, part) => sum + part, 0));
}

/** Everything that must hold once the network's truth has been asked for. */
async function expectTruth(world: SpendingWorld): Promise<void> {
  const { rows } = await superuser.query<{ token: string; held: bigint }>(
    `SELECT a.processor_authorization_id AS token, coalesce(sum(l.held_usd - l.released_usd), 0) AS held
     FROM authorizations a LEFT JOIN funding_legs l ON l.organization_id = a.organization_id AND l.authorization_id = a.id
     WHERE a.organization_id = $1 GROUP BY a.processor_authorization_id`,
    [world.organizationId],
  );
  const held = new Map(rows.map((row) => [row.token, BigInt(row.held)]));
  const wrong = network.purchases.filter((purchase) => (held.get(purchase.ids.token) ?? 0n) !== counted(purchase));
  expect(wrong.map((purchase) => [purchase, held.get(purchase.ids.token)])).toEqual([]);
  expect(await brokenBooks(superuser, world.organizationId)).toEqual([]);
  const open = await superuser.query("SELECT FROM authorization_amendments WHERE answer_state = 'awaited'");
  expect(open.rowCount).toBe(0);
}

async function takenBack(): Promise<number> {
  const { rows } = await superuser.query(
    "SELECT count(*)::int AS n FROM authorization_amendments WHERE answer_state = 'taken_back'",
  );
  return required(rows[0], 'count').n;
}

test('an api process killed with -9 under increments: what was heard stays held, and nothing more does', async () => {
  const world = await createSpendingWorld(database.superuserUrl, {
    accounts: ACCOUNTS,
    funds: { USDC: 10n ** 9n * USDC },
    policy: { limits: {} },
  });
  let api: ApiProcess = await killed.startApi();
  const load = async (until: { running: boolean }) => {
    await Promise.all(
      world.accounts.map(async (account, caller) => {
        for (let round = 0; until.running; round += 1) {
          const purchase = await network.buy(() => api, account, 1_000 + caller);
          for (let more = 0; purchase.approved && more < 6 && until.running; more += 1) {
            const { heard } = await network.increase(() => api, purchase, 100 + ((caller * 13 + round + more) % 900));
            // A network that gets no answer does not hammer.
            if (!heard) await new Promise((resolve) => setTimeout(resolve, 100));
          }
          if (!purchase.heard) await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }),
    );
  };

  try {
    for (let rounds = 0; rounds < ROUNDS || ((await takenBack()) === 0 && rounds < ROUNDS_MAX); rounds += 1) {
      const until = { running: true };
      const loading = load(until);
      await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
      await api.kill();
      until.running = false;
      await loading;
      api = await killed.startApi();
      await killed.sweep(sweepByTwo);
      await expectTruth(world);
    }
    const increments = network.purchases.flatMap((purchase) => purchase.increments);
    expect(increments.filter(({ approved }) => approved).length).toBeGreaterThan(0);
    expect(await takenBack()).toBeGreaterThan(0);
    process.stdout.write(
      `${increments.length} increments, ${increments.filter(({ heard }) => !heard).length} unheard, ${await takenBack()} taken back\n`,
    );
  } finally {
    await api.stop();
  }
});
