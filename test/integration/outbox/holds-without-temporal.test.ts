import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { sweepExpiredHolds } from '../../../services/authorizations/sweep-expired-holds';
import { createKnex } from '../../../services/database/knex';
import { readBacklog } from '../../../services/outbox/read-backlog';
import { DEFAULT_RELAY_OPTIONS, startRelay } from '../../../services/outbox/relay';
import { systemClock } from '../../../services/shared/clock';
import { createSpendingWorld, purchase } from '../../builders/spending-world';
import { eventually } from '../../builders/temporal-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let superuser: Client;
let pool: Pool;
let knex: Knex;
let workerKnex: Knex;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 2 });
  knex = createKnex(database.urls.escudo_app, 2, 'test-app');
  workerKnex = createKnex(database.urls.escudo_worker, 4, 'test-worker');
});

afterAll(async () => {
  await Promise.all([superuser.end(), pool.end(), knex.destroy(), workerKnex.destroy()]);
  await database.drop();
});

async function held(): Promise<bigint> {
  const { rows } = await superuser.query<{ held: string }>(
    "SELECT sum(pending_debits)::text AS held FROM ledger_accounts WHERE type = 'cardholder.funds'",
  );
  return BigInt(rows[0]?.held ?? '0');
}

it('holds end at their deadline although their workflows never started, because Temporal is not there', async () => {
  const { accounts } = await createSpendingWorld(database.superuserUrl, { accounts: 3, funds: { USDC: 10n ** 9n } });
  const authorizer = createTestAuthorizer(pool);
  const away = { kind: 'unavailable', detail: 'connection refused' } as const;
  const postponed: string[] = [];
  const started: string[] = [];
  const relay = startRelay(
    {
      knex: workerKnex,
      starter: { start: async () => away, signalWithStart: async () => away, check: async () => false },
      observe: {
        relayed: ({ workflowId }) => void started.push(workflowId),
        postponed: ({ workflowId }) => void postponed.push(workflowId),
        failed: () => undefined,
      },
    },
    DEFAULT_RELAY_OPTIONS,
  );
  const replies = await Promise.all(accounts.map((account) => authorizer.authorize(purchase(account, 1_000n))));
  expect(replies.map(({ outcome }) => outcome)).toEqual(['approved', 'approved', 'approved']);
  expect(await held()).toBeGreaterThanOrEqual(30n * 1_000_000n);
  await eventually('Temporal was missed', () => postponed.length > 0);

  await superuser.query("UPDATE authorizations SET expires_at = now() - interval '1 minute'");
  expect(await sweepExpiredHolds({ knex, workerKnex, clock: systemClock })).toBe(3);
  expect(await held()).toBe(0n);
  const { rows } = await superuser.query('SELECT DISTINCT state FROM authorizations');
  expect(rows).toEqual([{ state: 'expired' }]);
  expect(await sweepExpiredHolds({ knex, workerKnex, clock: systemClock })).toBe(0);

  // What Temporal is to be told waits for it, unharmed.
  expect(started).toEqual([]);
  expect((await readBacklog(workerKnex)).batches.waiting).toBe(3);
  await relay.stop();
  await authorizer.close();
});
