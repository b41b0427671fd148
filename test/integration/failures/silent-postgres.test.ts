import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createAuthorizerPool } from '../../../services/authorizations/authorizer-pool';
import { createSpendingWorld, purchase } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

/** What lies between an api process and PostgreSQL: it can fall silent without telling either. */
interface Network {
  readonly url: string;
  /** Connections that exist now carry nothing any more, and are not closed. New ones work. */
  fallSilent(): void;
  close(): Promise<void>;
}

async function networkBefore(databaseUrl: string): Promise<Network> {
  const target = new URL(databaseUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    near.pipe(far);
    far.pipe(near);
    pairs.add([near, far]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.toString(),
    fallSilent() {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
      }
      pairs.clear();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

test('purchases are answered again soon after connections fell silent', async () => {
  const network = await networkBefore(database.urls.escudo_authorizer);
  const pool = createAuthorizerPool(network.url, 4, 500);
  pool.on('error', () => undefined);
  const failures: unknown[] = [];
  const authorizer = createTestAuthorizer(pool, {
    observer: {
      decided: () => undefined,
      batchRan: () => undefined,
      conflicting: () => undefined,
      failed: (error) => failures.push(error),
    },
  });
  const { accounts } = await createSpendingWorld(database.superuserUrl, {
    accounts: 2,
    funds: { USDC: 500_000_000n },
  });
  const approved = () =>
    Promise.all(
      accounts.map(async (account) => {
        const respondBy = new Date(Date.now() + 2_000);
        return (await authorizer.authorize(purchase(account, 1_000n, { respondBy }))).outcome;
      }),
    );
  expect(await approved()).toEqual(['approved', 'approved']);
  network.fallSilent();
  // Whoever asks now is answered, though not with an approval.
  expect(await approved()).toEqual(['declined', 'declined']);
  expect(failures.length).toBeGreaterThan(0);
  expect(await approved()).toEqual(['approved', 'approved']);
  await authorizer.close();
  await pool.end();
  await network.close();
});

test.each([
  ['in a transaction of its own', 0],
  ['after it was silent between two purchases, as it may be', 700],
])('a connection that falls silent while it works ends that work and nothing else: %s', async (_case, idleMs) => {
  const network = await networkBefore(database.urls.escudo_authorizer);
  const pool = createAuthorizerPool(network.url, 1, 500);
  pool.on('error', () => undefined);
  const before = await pool.connect();
  await before.query('SELECT 1');
  before.release();
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const client = await pool.connect();
  expect(client).toBe(before);
  await client.query('BEGIN');
  network.fallSilent();
  await expect(client.query('SELECT 1')).rejects.toThrow('silent for 500 ms');
  client.release(true);
  expect((await pool.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
  await pool.end();
  await network.close();
});

test('what nobody waits for any more ends in PostgreSQL too', async () => {
  const pool = createAuthorizerPool(database.urls.escudo_authorizer, 1, 300);
  pool.on('error', () => undefined);
  await expect(pool.query("SELECT 'nobody waits', pg_sleep(20)")).rejects.toThrow();
  const deadline = Date.now() + 5_000;
  let running = 1;
  while (running > 0 && Date.now() < deadline) {
    const { rows } = await pool.query(
      "SELECT count(*)::int AS running FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT ''nobody waits%'",
    );
    running = rows[0].running;
  }
  expect(running).toBe(0);
  await pool.end();
});
