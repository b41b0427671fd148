import { randomUUID } from 'node:crypto';
import * as settlementDifferences from '../../../migrations/20261121001310_settlement_differences';
import * as spendCounters from '../../../migrations/20261121001400_fill_in_spend_counters';
import { createKnex } from '../../../services/database/knex';
import { createSpendingWorld } from '../../builders/spending-world';
import { type OpenTestDatabase, openTestDatabase } from '../../setup/database';

let database: OpenTestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

/** As in production: the role that owns the tables, for which their row level security holds too. */
async function asMigrator(work: (knex: ReturnType<typeof createKnex>) => Promise<void>): Promise<void> {
  const knex = createKnex(database.urls.escudo_migrator, 1, 'test');
  try {
    await work(knex);
  } finally {
    await knex.destroy();
  }
}

async function forced(table: string): Promise<boolean> {
  const { rows } = await database.superuser.query(
    'SELECT relforcerowsecurity AS forced FROM pg_class WHERE oid = $1::regclass',
    [table],
  );
  return rows[0].forced;
}

test('a settlement that was paid before knows what was paid', async () => {
  const { organizationId, programId } = await createSpendingWorld(database.superuserUrl, { accounts: 1 });
  const [paid, closed] = [randomUUID(), randomUUID()];
  await asMigrator(settlementDifferences.down);
  await database.superuser.query(
    `INSERT INTO settlements (organization_id, id, program_id, date, state) VALUES ($1, $2, $3, '2026-11-01', 'paid'), ($1, $4, $3, '2026-11-02', 'closed')`,
    [organizationId, paid, programId, closed],
  );
  await database.superuser.query(
    `INSERT INTO ledger_transfers (organization_id, id, transaction_id, label, kind, debit_account_id, credit_account_id, asset, amount, leg_id)
     VALUES ($1, $2, $3, 'paid-to-network', 'posted', $4, $5, 'USD', 98000, $6)`,
    [organizationId, randomUUID(), randomUUID(), randomUUID(), randomUUID(), paid],
  );
  await asMigrator(settlementDifferences.up);
  const { rows } = await database.superuser.query(
    'SELECT state, paid_amount::text AS paid FROM settlements WHERE organization_id = $1 ORDER BY date',
    [organizationId],
  );
  expect(rows).toEqual([
    { state: 'paid', paid: '98000' },
    { state: 'closed', paid: null },
  ]);
  expect([await forced('settlements'), await forced('ledger_transfers')]).toEqual([true, true]);
});

test('what an account had spent before its counters moved is counted, and what it has spent since stays', async () => {
  const { organizationId, accounts } = await createSpendingWorld(database.superuserUrl, { accounts: 2 });
  const [before, since] = accounts.map(({ accountId }) => accountId);
  const windows = (amount: string) => JSON.stringify({ day: [0, amount, 1] });
  for (const accountId of [before, since]) {
    await database.superuser.query(
      'INSERT INTO limit_counters (organization_id, account_id, scope_id, windows) VALUES ($1, $2, $2, $3)',
      [organizationId, accountId, windows('700')],
    );
  }
  await database.superuser.query('UPDATE accounts SET spend_counters = $2 WHERE id = $1', [since, windows('900')]);
  await asMigrator(spendCounters.up);
  const { rows } = await database.superuser.query(
    `SELECT id, spend_counters -> 'day' ->> 1 AS amount FROM accounts WHERE organization_id = $1`,
    [organizationId],
  );
  expect(new Map(rows.map(({ id, amount }) => [id, amount]))).toEqual(
    new Map([
      [before, '700'],
      [since, '900'],
    ]),
  );
  const left = await database.superuser.query(
    'SELECT count(*)::int AS left FROM limit_counters WHERE organization_id = $1',
    [organizationId],
  );
  expect(left.rows).toEqual([{ left: 0 }]);
  expect([await forced('accounts'), await forced('limit_counters')]).toEqual([true, true]);
});
