import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { perRole } from '../../../embedded/database-roles';
import { freePort } from '../../../embedded/free-port';
import {
  createDatabase,
  createRoles,
  databaseUrl,
  type PostgresOptions,
  removePostgresData,
  roleUrls,
  startPostgres,
} from '../../../embedded/postgres';
import { runMigrations } from '../../../embedded/run-migrations';
import { type MessageIds, newMessageIds, startApiProcess } from '../../builders/api-process';
import { createSpendingWorld } from '../../builders/spending-world';

const LOAD_MS = 1_500;

test('kill -9 of PostgreSQL under load: every answer that was given is found, and nothing is held twice', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-killed-postgres-'));
  const passwords = perRole((role) => `${role}-password`);
  const options: PostgresOptions = {
    dataDir: path.join(folder, 'data'),
    port: await freePort(),
    superuserPassword: 'superuser-password',
    logFile: path.join(folder, 'postgres.log'),
  };
  let postgres = await startPostgres(options);
  await createRoles(postgres.superuserUrl, passwords);
  await createDatabase(postgres.superuserUrl, 'escudo');
  const urls = roleUrls(postgres.superuserUrl, 'escudo', passwords);
  await runMigrations(urls);
  const superuserUrl = databaseUrl(postgres.superuserUrl, 'escudo');
  const { accounts, organizationId } = await createSpendingWorld(superuserUrl, {
    accounts: 50,
    funds: { USDC: 10n ** 15n },
    policy: { limits: {} },
  });
  const api = await startApiProcess(urls, 32);

  const approved: MessageIds[] = [];
  const unclear: MessageIds[] = [];
  let running = true;
  const callers = Array.from({ length: 32 }, async (_, index) => {
    for (let round = 0; running; round += 1) {
      const account = accounts[(index + round * 7) % accounts.length];
      if (!account) throw new Error('no account');
      const ids = newMessageIds();
      const answer = await api.authorize(account, 500, ids).catch(() => null);
      (answer?.result === 'APPROVED' ? approved : unclear).push(ids);
    }
  });
  await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
  process.kill(postgres.pid, 'SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 300));
  running = false;
  await Promise.all(callers);
  await postgres.stop();
  postgres = await startPostgres(options);

  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  const { rows } = await client.query<{ message_id: string; hold: string | null }>(
    'SELECT message_id, hold_amount::text AS hold FROM authorizations WHERE organization_id = $1',
    [organizationId],
  );
  const held = new Map(rows.map((row) => [row.message_id, row.hold]));
  expect(approved.length).toBeGreaterThan(100);
  const lost = approved.filter((ids) => held.get(ids.eventToken) !== '500');
  expect(lost).toEqual([]);

  // What got no clear answer is asked again, as the processor would: each is held once at the most.
  for (const ids of unclear.slice(0, 20)) {
    const account = accounts[0];
    if (account) await api.authorize(account, 500, ids).catch(() => null);
  }
  const totals = await client.query<{ pending: string; transfers: string; repeated: string }>(
    `SELECT (SELECT sum(pending_debits) FROM ledger_accounts WHERE organization_id = $1 AND type = 'cardholder.funds')::text AS pending,
       (SELECT sum(amount) FROM ledger_transfers WHERE organization_id = $1 AND kind = 'pending')::text AS transfers,
       (SELECT count(*) FROM (SELECT 1 FROM authorizations WHERE organization_id = $1
          GROUP BY processor_authorization_id HAVING count(*) > 1) AS twice)::text AS repeated`,
    [organizationId],
  );
  expect(totals.rows[0]?.pending).toBe(totals.rows[0]?.transfers);
  expect(totals.rows[0]?.repeated).toBe('0');

  await client.end();
  await api.stop();
  await postgres.stop();
  removePostgresData(options.dataDir);
  rmSync(folder, { recursive: true, force: true });
});
