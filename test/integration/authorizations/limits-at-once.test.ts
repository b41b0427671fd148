import { Client, Pool } from 'pg';
import type { SpendControls } from '../../../services/cards/rules/spend-controls';
import type { AuthorizationRequest } from '../../../services/providers/processor/port';
import { createSpendingWorld, purchase, type SpendingWorld, type WorldAccount } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let superuser: Client;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 12 });
});

afterAll(async () => {
  await Promise.all([pool.end(), superuser.end()]);
  await database.drop();
});

/** Accounts of two cards each. */
async function worldOf(given: { account?: SpendControls; card?: SpendControls }): Promise<{
  world: SpendingWorld;
  account: WorldAccount;
  cards: readonly [string, string];
}> {
  const world = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 1_000_000_000n },
    policy: { limits: {} },
  });
  const [account] = world.accounts as [WorldAccount];
  const { rows } = await superuser.query(
    `WITH other AS (
       INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor, card_token, last_four, network,
         expiry_month, expiry_year)
       SELECT organization_id, gen_random_uuid(), account_id, program_id, cardholder_id, state, processor, 'other-' || id, last_four, network,
         expiry_month, expiry_year
       FROM cards WHERE id = $1 RETURNING organization_id, id, account_id, card_token)
     INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id)
     SELECT 'lithic', card_token, organization_id, id, account_id FROM other RETURNING card_token`,
    [account.cardId],
  );
  await superuser.query('UPDATE accounts SET controls = $1, version = version + 1 WHERE id = $2', [
    JSON.stringify(given.account ?? {}),
    account.accountId,
  ]);
  await superuser.query('UPDATE cards SET controls = $1 WHERE account_id = $2', [
    JSON.stringify(given.card ?? {}),
    account.accountId,
  ]);
  return { world, account, cards: [account.cardToken, rows[0].card_token] };
}

/** The same number of purchases on each card, at three processes in turn, all at once: how many were approved, by card. */
async function all(account: WorldAccount, cards: readonly string[], each: number): Promise<readonly number[]> {
  const processes = [0, 1, 2].map(() => createTestAuthorizer(pool));
  // Each of them keeps the account in memory, as it was before.
  const asked = cards.flatMap((cardToken) => Array.from({ length: each }, () => cardToken));
  const answers = await Promise.all(
    asked.map((cardToken, index) => {
      const request: AuthorizationRequest = { ...purchase(account, 100n), cardToken };
      return processes[index % processes.length]?.authorize(request);
    }),
  );
  return cards.map((card) => asked.filter((of, index) => of === card && answers[index]?.outcome === 'approved').length);
}

describe('limits, with several processes and two cards at once', () => {
  test('an account allows no purchase too many, whichever card and process is asked', async () => {
    const { account, cards } = await worldOf({ account: { limits: { day_count: 5 } } });
    const approved = await all(account, cards, 9);
    expect((approved[0] ?? 0) + (approved[1] ?? 0)).toBe(5);
  });

  test('each card allows its own, and none of another', async () => {
    const { account, cards } = await worldOf({ card: { limits: { week_count: 3, month_amount: '100000' } } });
    expect(await all(account, cards, 7)).toEqual([3, 3]);
  });

  test('a card for one purchase makes one, and velocity of the account counts both cards', async () => {
    const single = await worldOf({ card: { single_use: true } });
    expect(await all(single.account, single.cards, 4)).toEqual([1, 1]);
    const rule = { window_seconds: 3_600, max_count: 4, per: 'account' as const };
    const quick = await worldOf({ account: { velocity: [rule] } });
    const approved = await all(quick.account, quick.cards, 6);
    expect((approved[0] ?? 0) + (approved[1] ?? 0)).toBe(4);
  });

  test('what waits for its cooling-off is in force from its instant on, in the middle of a burst too', async () => {
    const { account, cards } = await worldOf({ account: { limits: { all_time_count: 2 } } });
    const due = Date.now() + 3_600_000;
    const pending = { controls: { limits: { all_time_count: 6 } }, effective_at: new Date(due).toISOString() };
    await superuser.query('UPDATE accounts SET pending_controls = $1, version = version + 1 WHERE id = $2', [
      JSON.stringify(pending),
      account.accountId,
    ]);
    // The clock reaches the instant after so many looks.
    let looks = 0;
    let decidedBefore = 0;
    const clock = {
      now() {
        looks += 1;
        return new Date(looks <= 12 ? due - 1 : due);
      },
    };
    const authorizer = createTestAuthorizer(pool, { clock });
    for (let made = 0; made < 12; made += 1) {
      const request = { ...purchase(account, 100n), cardToken: cards[made % 2] ?? '' };
      const times = { occurredAt: new Date(due - 1), respondBy: new Date(due + 60_000) };
      const before = looks < 12;
      const { outcome, authorizationId } = await authorizer.authorize({ ...request, ...times });
      if (before && looks <= 12 && outcome === 'approved') decidedBefore += 1;
      if (outcome !== 'approved') continue;
      const { rows } = await superuser.query('SELECT receipt FROM authorizations WHERE id = $1', [authorizationId]);
      // Each decision goes by one instant, which its receipt names.
      expect([due - 1, due]).toContain(Date.parse(JSON.parse(rows[0].receipt).at));
    }
    const { rows } = await superuser.query('SELECT spend_counters FROM accounts WHERE id = $1', [account.accountId]);
    expect(decidedBefore).toBe(2);
    expect(rows[0].spend_counters.all_time.slice(1, 3)).toEqual(['600', 6]);
  });
});
