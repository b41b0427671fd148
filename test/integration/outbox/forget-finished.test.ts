import type { Knex } from 'knex';
import { createKnex } from '../../../services/database/knex';
import { forgetFinished } from '../../../services/outbox/forget-finished';
import { createSpendingWorld } from '../../builders/spending-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const LONG_AGO = new Date('2020-01-01');
const BEFORE = new Date('2021-01-01');
/** One more than a portion and a half: it takes more than one, and the last is not full. */
const OLD = 7_501;
const RECENT = 20_000;

let database: TestDatabase;
let superuser: Knex;
let worker: Knex;
let organizationId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = createKnex(database.superuserUrl, 1, 'test-superuser');
  // One session, which shows what it read.
  worker = createKnex(database.urls.escudo_worker, 1, 'test-worker');
  ({ organizationId } = await createSpendingWorld(database.superuserUrl, { accounts: 1 }));
  const commands = (count: number, doneAt: Date | null) =>
    superuser.raw(
      `INSERT INTO outbox_commands (organization_id, id, workflow_type, workflow_id, payload, done_at)
       SELECT ?, gen_random_uuid(), 'fundSale', 'sale:' || n, '{}', ?::timestamptz + n * interval '1 ms' FROM generate_series(1, ?) n`,
      [organizationId, doneAt, count],
    );
  const batches = (count: number, doneAt: Date | null, answeredAt: Date | null) =>
    superuser.raw(
      `INSERT INTO outbox_batches (id, holds, respond_by, done_at, answered_at)
       SELECT gen_random_uuid(), '[]', now(), ?::timestamptz + n * interval '1 ms', ?::timestamptz FROM generate_series(1, ?) n`,
      [doneAt, answeredAt, count],
    );
  for (const [count, doneAt] of [
    [RECENT, new Date()],
    [OLD, LONG_AGO],
    [10, null],
  ] as const) {
    await commands(count, doneAt);
    await batches(count, doneAt, doneAt);
  }
  // Finished, and nobody knows whether its answers were heard.
  await batches(5, LONG_AGO, null);
  await superuser.raw('ANALYZE outbox_commands, outbox_batches');
});

afterAll(async () => {
  await Promise.all([superuser.destroy(), worker.destroy()]);
  await database.drop();
});

/** Rows that this session's statements read by going through a whole table. */
async function rowsScanned(): Promise<number> {
  const { rows } = await worker.raw(
    `SELECT coalesce(sum(seq_tup_read), 0)::int AS scanned FROM pg_stat_xact_user_tables
     WHERE relname IN ('outbox_commands', 'outbox_batches')`,
  );
  return rows[0].scanned;
}

it('what Temporal was told long ago goes, all of it and nothing else, and no table is read as a whole for it', async () => {
  await worker.raw('BEGIN');
  expect(await forgetFinished(worker, BEFORE)).toBe(2 * OLD);
  expect(await rowsScanned()).toBe(0);
  await worker.raw('COMMIT');

  expect(await superuser('outbox_commands').count()).toEqual([{ count: BigInt(RECENT + 10) }]);
  expect(await superuser('outbox_batches').count()).toEqual([{ count: BigInt(RECENT + 10 + 5) }]);
  expect(await forgetFinished(worker, BEFORE)).toBe(0);
});

it('a row that waits is in no index for the removal', async () => {
  const { rows } = await superuser.raw(
    "SELECT pg_get_expr(indpred, indrelid) AS predicate FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relname LIKE 'outbox_%_finished_index'",
  );
  expect(rows).toHaveLength(2);
  for (const { predicate } of rows) expect(predicate).toContain('done_at IS NOT NULL');
});
