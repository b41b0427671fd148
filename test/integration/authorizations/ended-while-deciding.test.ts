import { Client, Pool } from 'pg';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createKnex } from '../../../services/database/knex';
import { systemClock } from '../../../services/shared/clock';
import { cardEvent, createSpendingWorld, purchase } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { type OpenTestDatabase, openTestDatabase } from '../../setup/database';

let database: OpenTestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

/** Until `count` connections wait for a lock. */
async function waiting(count: number): Promise<void> {
  for (;;) {
    const { rows } = await database.superuser.query<{ waiting: bigint }>(
      "SELECT count(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    if (Number(rows[0]?.waiting) >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test.each([
  ['reversal', {}],
  ['clearing', { amount: 0n }],
] as const)('a %s that ends the purchase while it is being decided is seen', async (kind, change) => {
  const pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  const knex = createKnex(database.urls.escudo_app, 1, 'test');
  const blocker = new Client({ connectionString: database.superuserUrl });
  await blocker.connect();
  const authorizer = createTestAuthorizer(pool);
  const { accounts } = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 100_000_000n },
  });
  const [account] = accounts;
  if (!account) throw new Error('no account');
  // From now on the account is kept, and a purchase only waits for its lock.
  expect((await authorizer.authorize(purchase(account, 1_000n))).outcome).toBe('approved');
  const request = purchase(account, 1_000n);

  await blocker.query('BEGIN');
  await blocker.query('SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE', [account.accountId]);
  const recorded = recordCardEvent(
    { knex, clock: systemClock, sealer: testSealer() },
    cardEvent(request, kind, change),
  );
  await waiting(1);
  const reply = authorizer.authorize(request);
  await waiting(2);
  await blocker.query('COMMIT');

  expect((await recorded).kind).toBe('recorded');
  expect((await reply).declineReason).toBe('late');
  await blocker.end();
  await knex.destroy();
  await pool.end();
});
