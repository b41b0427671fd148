import type { Client } from 'pg';
import { sweepUnheardAnswers } from '../../../services/authorizations/sweep-unheard-answers';
import { required } from '../../../services/shared/assert';
import type { ApiProcess } from '../../builders/api-process';
import { brokenBooks } from '../../builders/books';
import { createKilledApiWorld, type KilledApiWorld } from '../../builders/killed-api-world';
import type { NetworkPurchase, PlayedNetwork } from '../../builders/played-network';
import { createSpendingWorld, type SpendingWorld, type WorldAccount } from '../../builders/spending-world';
import type { TestDatabase } from '../../setup/database';

jest.setTimeout(600_000);

const USDC = 1_000_000n;
const CONNECTIONS = 24;
const CALLERS = 48;
const LOAD_MS = 1_200;
const ROUNDS = 4;
/** More rounds are played until a kill has met an answer on its way, up to so many. */
const ROUNDS_MAX = 10;

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

interface Row {
  readonly processor_authorization_id: string;
  readonly state: string;
  readonly hold_amount: bigint;
  readonly held: bigint;
}

async function authorizations(world: SpendingWorld): Promise<ReadonlyMap<string, Row>> {
  const { rows } = await superuser.query<Row>(
    `SELECT a.processor_authorization_id, a.state, a.hold_amount,
       (SELECT coalesce(sum(l.held_usd - l.released_usd), 0) FROM funding_legs l
        WHERE l.organization_id = a.organization_id AND l.authorization_id = a.id) AS held
     FROM authorizations a WHERE a.organization_id = $1`,
    [world.organizationId],
  );
  return new Map(rows.map((row) => [row.processor_authorization_id, row]));
}

/** Limit counters of every account and card that are not what the authorizations that stand come to. */
async function wrongCounters(world: SpendingWorld): Promise<unknown[]> {
  const { rows } = await superuser.query(
    `WITH said AS (
       SELECT id AS account_id, 'account' AS scope, spend_counters AS windows FROM accounts WHERE organization_id = $1
       UNION ALL
       SELECT account_id, 'card', windows FROM limit_counters WHERE organization_id = $1
     ), stands AS (
       SELECT account_id, sum(approved_amount - reversed_amount) AS amount, count(*) AS count
       FROM authorizations WHERE organization_id = $1 AND state = 'pending' GROUP BY account_id
     )
     SELECT said.account_id, scope, windows->'all_time' AS says, stands.amount, stands.count
     FROM said LEFT JOIN stands USING (account_id)
     WHERE coalesce((windows->'all_time'->>1)::numeric, 0) <> coalesce(stands.amount, 0)
       OR coalesce((windows->'all_time'->>2)::int, 0) <> coalesce(stands.count, 0)`,
    [world.organizationId],
  );
  return rows;
}

/** Everything that must hold once the network's truth has been asked for. */
async function expectTruth(world: SpendingWorld): Promise<void> {
  const known = await authorizations(world);
  const heldOf = ({ ids }: NetworkPurchase) => known.get(ids.token)?.held ?? 0n;
  const approved = network.purchases.filter((purchase) => purchase.approved);
  const declined = network.purchases.filter((purchase) => !purchase.approved);
  expect(approved.filter((purchase) => heldOf(purchase) !== BigInt(purchase.cents))).toEqual([]);
  expect(approved.filter(({ ids }) => known.get(ids.token)?.state !== 'pending')).toEqual([]);
  expect(declined.filter((purchase) => heldOf(purchase) !== 0n)).toEqual([]);
  expect(await wrongCounters(world)).toEqual([]);
  expect(await brokenBooks(superuser, world.organizationId)).toEqual([]);
  const open = await superuser.query(
    'SELECT count(*)::int AS open FROM outbox_batches WHERE answered_at IS NULL AND resolved_at IS NULL',
  );
  expect(open.rows).toEqual([{ open: 0 }]);
}

async function voided(world: SpendingWorld): Promise<number> {
  const { rows } = await superuser.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM authorizations WHERE organization_id = $1 AND state = 'reversed'",
    [world.organizationId],
  );
  return required(rows[0], 'count').n;
}

test('api processes killed with -9 under load: every answer given is found, and nothing stays held for one that was not', async () => {
  const world = await createSpendingWorld(database.superuserUrl, {
    accounts: 30,
    funds: { USDC: 10n ** 9n * USDC },
    policy: { limits: {} },
  });
  const apis: ApiProcess[] = await Promise.all([killed.startApi(), killed.startApi()]);
  const api = (index: number): ApiProcess => required(apis[index % apis.length], 'api');

  const load = async (until: { running: boolean }) => {
    await Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let round = 0; until.running; round += 1) {
          const account = required(world.accounts[(caller + round * 7) % world.accounts.length], 'account');
          const purchase = await network.buy(
            (attempt) => api(caller + attempt),
            account,
            100 + ((caller * 13 + round) % 900),
          );
          // A network that gets no answer does not hammer.
          if (!purchase.heard) await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }),
    );
  };

  try {
    let rounds = 0;
    for (let unheard = 0; rounds < ROUNDS || (unheard === 0 && rounds < ROUNDS_MAX); rounds += 1) {
      const until = { running: true };
      const loading = load(until);
      await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
      // One of the two in turn, and every other time both at the same moment.
      const victims = rounds % 2 === 0 ? [0, 1] : [(rounds >> 1) % 2];
      await Promise.all(victims.map((victim) => api(victim).kill()));
      await new Promise((resolve) => setTimeout(resolve, 200));
      until.running = false;
      await loading;
      for (const victim of victims) apis[victim] = await killed.startApi();
      // What died is settled while the new processes already serve.
      const again = { running: true };
      const loadingAgain = load(again);
      await new Promise((resolve) => setTimeout(resolve, LOAD_MS / 2));
      again.running = false;
      await loadingAgain;
      // Answers given are noted with a short delay.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await killed.sweep(sweepUnheardAnswers);
      unheard = await voided(world);
      await expectTruth(world);
    }
    expect(network.purchases.filter((purchase) => purchase.approved).length).toBeGreaterThan(500);
    expect(network.purchases.filter((purchase) => !purchase.heard).length).toBeGreaterThan(0);
    expect(await voided(world)).toBeGreaterThan(0);
    process.stdout.write(
      `killed ${rounds} times: ${network.purchases.length} purchases, ${network.purchases.filter(({ heard }) => !heard).length} unheard, ${await voided(world)} holds given back\n`,
    );
  } finally {
    await Promise.all(apis.map((each) => each.stop()));
  }
});

test('a commit that stalls past the time for the answer: the caller is told so, and what it holds is given back', async () => {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500n * USDC } });
  const account: WorldAccount = required(world.accounts[0], 'account');
  const api = await killed.startApi();
  try {
    expect((await network.buy(() => api, account, 1_000)).approved).toBe(true);
    // The commit has taken its time of answer and then hangs, as on a disk that does not come back.
    await superuser.query(`
      CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.held_usd = 777 THEN PERFORM pg_sleep(4); END IF;
        RETURN NEW;
      END $$`);
    await superuser.query('CREATE TRIGGER stall BEFORE INSERT ON funding_legs FOR EACH ROW EXECUTE FUNCTION stall()');
    const stalled = await network.buy(() => api, account, 777);
    expect(stalled).toMatchObject({ heard: true, approved: false });
    const row = async () => (await authorizations(world)).get(stalled.ids.token);
    // The commit comes back in the end, with a hold for an answer that nobody heard: the network says so when it is asked.
    for (let tries = 0; tries < 100 && (await row()) === undefined; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await row()).toMatchObject({ state: 'pending' });
    await killed.sweep(sweepUnheardAnswers);
    expect(await row()).toMatchObject({ state: 'reversed', held: 0n });
    expect(await wrongCounters(world)).toEqual([]);
    expect(await brokenBooks(superuser, world.organizationId)).toEqual([]);
  } finally {
    await superuser.query('DROP TRIGGER IF EXISTS stall ON funding_legs');
    await api.stop();
  }
});
