import type { Knex } from 'knex';
import { Client } from 'pg';
import request from 'supertest';
import { createKnex, type SessionLimits } from '../../../services/database/knex';
import { migrateToLatest } from '../../../services/migrate';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';

const NONE: SessionLimits = { statementMs: null, lockMs: null, idleInTransactionMs: null };

let tested: ApiUnderTest;
let key: string;
let organizationId: string;
const knexes: Knex[] = [];

beforeAll(async () => {
  tested = await startApiUnderTest({ API_STATEMENT_TIMEOUT_MS: '300', LONG_STATEMENT_TIMEOUT_MS: '20000' });
  ({ key } = await tested.createOrganization('session-limits'));
  ({ id: organizationId } = (await tested.sql.query('SELECT id FROM organizations')).rows[0]);
});

afterAll(async () => {
  await Promise.all(knexes.map((knex) => knex.destroy()));
  await tested.end();
});

function appKnex(limits: Partial<SessionLimits>): Knex {
  const knex = createKnex(tested.database.urls.escudo_app, 1, 'session-limits-test', { ...NONE, ...limits });
  knexes.push(knex);
  return knex;
}

function post(path: string, idempotencyKey: string, body: object) {
  return request(tested.url)
    .post(path)
    .set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': idempotencyKey })
    .send(body);
}

test('a request that waits too long for a lock is refused, changes nothing, and may be repeated', async () => {
  const program = await post('/v1/programs', 'program', { name: 'Locked' }).expect(201);
  const disable = () => post(`/v1/programs/${program.body.id}/disable`, 'disable', {});
  const other = new Client({ connectionString: tested.database.superuserUrl });
  await other.connect();
  try {
    await other.query('BEGIN');
    await other.query('SELECT 1 FROM programs FOR UPDATE');
    const refused = await disable().expect(503);
    expect(refused.body.code).toBe('took_too_long');
    expect(refused.headers['retry-after']).toBe('5');
    await other.query('ROLLBACK');
  } finally {
    await other.end();
  }
  expect((await tested.sql.query('SELECT state FROM programs')).rows).toEqual([{ state: 'active' }]);
  expect((await disable().expect(200)).body.state).toBe('disabled');
});

test('proofs may take longer than a request: they have connections of their own', async () => {
  await tested.sql.query(
    `INSERT INTO ledger_transactions (organization_id, id, template, effective_at) VALUES ($1, gen_random_uuid(), 'slow', now())`,
    [organizationId],
  );
  // Reading the books takes half a second from here on.
  await tested.sql.query(`CREATE POLICY slow ON ledger_transactions AS RESTRICTIVE FOR SELECT TO escudo_app
    USING (pg_sleep(0.5) IS NOT NULL)`);
  try {
    const listed = await request(tested.url).get('/v1/ledger/transactions').set('Authorization', `Bearer ${key}`);
    expect([listed.status, listed.body.code]).toEqual([503, 'took_too_long']);
    const proved = await request(tested.url).post('/v1/reconciliation').set('Authorization', `Bearer ${key}`);
    expect(proved.status).toBe(200);
    expect(proved.body.proofs).not.toEqual([]);
  } finally {
    await tested.sql.query('DROP POLICY slow ON ledger_transactions');
  }
});

test('a transaction in which nothing is said is ended with its locks, and its pool goes on', async () => {
  const knex = appKnex({ idleInTransactionMs: 200 });
  const silent = await knex.transaction();
  await silent.raw("SELECT set_config('app.organization_id', ?, true)", [organizationId]);
  await silent.raw('SELECT 1 FROM programs FOR UPDATE');
  // Would wait for good if the other did not let go.
  await tested.sql.query('SELECT 1 FROM programs FOR UPDATE');
  await expect(silent.raw('SELECT 1')).rejects.toThrow();
  await silent.rollback().catch(() => undefined);
  expect((await knex.raw('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('a pool without limits has none', async () => {
  const settings = "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock";
  expect((await appKnex({}).raw(settings)).rows).toEqual([{ statement: '0', lock: '0' }]);
  const limited = appKnex({ statementMs: 61_000, lockMs: 7_000 });
  expect((await limited.raw(settings)).rows).toEqual([{ statement: '61s', lock: '7s' }]);
});

test('a migration does not keep everybody waiting behind it for a lock', async () => {
  const migrator = tested.database.urls.escudo_migrator;
  await tested.sql.query('BEGIN');
  await tested.sql.query('LOCK TABLE knex_migrations IN ACCESS EXCLUSIVE MODE');
  try {
    await expect(migrateToLatest(migrator, { ...NONE, lockMs: 200 })).rejects.toMatchObject({ code: '55P03' });
  } finally {
    await tested.sql.query('ROLLBACK');
  }
  expect(await migrateToLatest(migrator, { ...NONE, lockMs: 200 })).toEqual([]);
});
