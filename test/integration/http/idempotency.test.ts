import request from 'supertest';
import { createKnex } from '../../../services/database/knex';
import { deleteStoredAnswers } from '../../../services/http/idempotency.repository';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';

let tested: ApiUnderTest;
let key: string;

beforeAll(async () => {
  tested = await startApiUnderTest();
  ({ key } = await tested.createOrganization('idempotency'));
});

afterAll(async () => {
  await tested.end();
});

function post(path: string, idempotencyKey: string, body: object) {
  return request(tested.url)
    .post(path)
    .set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': idempotencyKey })
    .send(body);
}

async function programsNamed(name: string): Promise<number> {
  const found = await tested.sql.query('SELECT count(*)::int AS count FROM programs WHERE name = $1', [name]);
  return found.rows[0].count;
}

test('the same request again gets the first answer and a replay header, whatever the order of its fields', async () => {
  const body = { name: 'Again', policy: { partial_approvals: true, conversion_buffer_bps: 75 } };
  const first = await post('/v1/programs', 'again', body).expect(201);
  expect(first.headers['idempotency-replayed']).toBeUndefined();
  const reordered = { policy: { conversion_buffer_bps: 75, partial_approvals: true }, name: 'Again' };
  const second = await post('/v1/programs', 'again', reordered).expect(201);
  expect(second.headers['idempotency-replayed']).toBe('true');
  expect(second.body).toEqual(first.body);
  expect(await programsNamed('Again')).toBe(1);
});

test('the key with another body, method or path is refused and changes nothing', async () => {
  await post('/v1/programs', 'other', { name: 'Other' }).expect(201);
  const before = await tested.countRows();
  const body = await post('/v1/programs', 'other', { name: 'Other 2' }).expect(422);
  expect(body.body.code).toBe('idempotency_key_reused');
  await post('/v1/api-keys', 'other', { label: 'Other' }).expect(422);
  expect(await tested.countRows()).toEqual(before);
});

test('twenty at once have one effect; the others get its answer or are told that it runs', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post('/v1/programs', 'at-once', { name: 'At once' })),
  );
  const created = answers.filter((answer) => answer.status === 201);
  const running = answers.filter((answer) => answer.status === 409);
  expect(created.length + running.length).toBe(20);
  expect(created.filter((answer) => answer.headers['idempotency-replayed'] === undefined)).toHaveLength(1);
  expect(new Set(created.map((answer) => answer.body.id)).size).toBe(1);
  for (const answer of running) {
    expect(answer.body.code).toBe('idempotency_key_in_use');
    expect(answer.headers['retry-after']).toBe('1');
  }
  expect(await programsNamed('At once')).toBe(1);
  const later = await post('/v1/programs', 'at-once', { name: 'At once' }).expect(201);
  expect(later.headers['idempotency-replayed']).toBe('true');
});

test('a refusal keeps nothing, so that the key works once its cause is mended', async () => {
  const before = await tested.countRows();
  const wrong = { name: 'Mended', policy: { stablecoins: ['WETH'] } };
  await post('/v1/programs', 'mended', wrong).expect(400);
  expect(await tested.countRows()).toEqual(before);
  await post('/v1/programs', 'mended', { name: 'Mended' }).expect(201);
});

test('two organizations may use the same key', async () => {
  const other = await tested.createOrganization('idempotency-other');
  await post('/v1/programs', 'shared', { name: 'Mine' }).expect(201);
  const answer = await request(tested.url)
    .post('/v1/programs')
    .set({ Authorization: `Bearer ${other.key}`, 'Idempotency-Key': 'shared' })
    .send({ name: 'Theirs' })
    .expect(201);
  expect(answer.body.name).toBe('Theirs');
});

test('an organization is opened once for a key, and its API key is shown once', async () => {
  const open = () =>
    request(tested.url)
      .post('/v1/organizations')
      .set({ Authorization: `Bearer ${OPERATOR_KEY}`, 'Idempotency-Key': 'opening' })
      .send({ name: 'Opened' });
  const first = await open().expect(201);
  expect(first.body.api_key.secret).toMatch(/^esk_test_[0-9a-f]{16}_[0-9a-f]{72}$/);
  const second = await open().expect(201);
  expect(second.headers['idempotency-replayed']).toBe('true');
  expect(second.body).toEqual({ ...first.body, api_key: { ...first.body.api_key, secret: null } });
  await request(tested.url)
    .get('/v1/organization')
    .set('Authorization', `Bearer ${first.body.api_key.secret}`)
    .expect(200);
});

test('answers are forgotten after their time, and only then', async () => {
  await post('/v1/programs', 'old', { name: 'Old' }).expect(201);
  await post('/v1/programs', 'young', { name: 'Young' }).expect(201);
  await tested.sql.query("UPDATE idempotency_keys SET created_at = now() - interval '8 days' WHERE key = 'old'");
  const worker = createKnex(tested.database.urls.escudo_worker, 1, 'test-worker');
  try {
    expect(await deleteStoredAnswers(worker, new Date(Date.now() - 7 * 86_400_000))).toBe(1);
  } finally {
    await worker.destroy();
  }
  const left = await tested.sql.query("SELECT key FROM idempotency_keys WHERE key IN ('old', 'young')");
  expect(left.rows).toEqual([{ key: 'young' }]);
});
