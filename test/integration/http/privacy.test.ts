import { Writable } from 'node:stream';
import request from 'supertest';
import { createLogger } from '../../../services/http/logging';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';

/** Odd enough to be found wherever they should not be. */
const CANARIES = {
  firstName: 'Canaryfirst',
  lastName: 'Canarylast',
  email: 'canary.mail@example.com',
  dateOfBirth: '1987-06-05',
  document: Buffer.from('canary-document-content').toString('base64'),
};

let logged = '';
const log = new Writable({
  write(chunk, _encoding, done) {
    logged += String(chunk);
    done();
  },
});

let tested: ApiUnderTest;
let key: string;

beforeAll(async () => {
  tested = await startApiUnderTest({ LOG_LEVEL: 'trace' }, log);
  ({ key } = await tested.createOrganization('privacy'));
});

afterAll(async () => {
  await tested.end();
});

test('what a log line may carry', () => {
  let text = '';
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const logger = createLogger('info', 'test', destination);
  const database = Object.assign(new Error(`Key (email)=(${CANARIES.email}) already exists`), {
    severity: 'ERROR',
    code: '23505',
    detail: CANARIES.email,
    constraint: 'cardholders_email_key',
  });
  logger.error({ err: database, body: CANARIES, headers: { authorization: 'Bearer esk_secret' } }, 'failed');
  expect(text).toContain('23505');
  expect(text).toContain('cardholders_email_key');
  for (const canary of Object.values(CANARIES)) expect(text).not.toContain(canary);
  expect(text).not.toContain('esk_secret');
});

test('no personal data of a cardholder in any row, stored answers and events included', async () => {
  const post = (path: string, name: string, body: object) =>
    request(tested.url)
      .post(path)
      .set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': name })
      .send(body);
  const program = await post('/v1/programs', 'program', { name: 'Privacy' }).expect(201);
  const body = {
    program_id: program.body.id,
    first_name: CANARIES.firstName,
    last_name: CANARIES.lastName,
    date_of_birth: CANARIES.dateOfBirth,
    email: CANARIES.email,
    residence_country: 'DEU',
    nationality: 'DEU',
  };
  const created = await post('/v1/cardholders', 'cardholder', body).expect(201);
  const replayed = await post('/v1/cardholders', 'cardholder', body).expect(201);
  expect(replayed.body).toEqual(created.body);
  expect(replayed.body.first_name).toBe(CANARIES.firstName);
  const document = {
    type: 'passport',
    country: 'DEU',
    file_name: 'passport.png',
    content_type: 'image/png',
    content: CANARIES.document,
  };
  await post(`/v1/cardholders/${created.body.id}/kyc`, 'kyc', { documents: [document] }).expect(202);

  const tables = await tested.sql.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  for (const { name } of tables.rows) {
    const rows = await tested.sql.query<{ text: string }>(`SELECT row_to_json(t)::text AS text FROM ${name} t`);
    for (const { text } of rows.rows) {
      const plain = text + hexDecoded(text);
      for (const canary of [...Object.values(CANARIES), 'canary-document-content']) {
        expect({ table: name, found: plain.includes(canary) }).toEqual({ table: name, found: false });
      }
      expect({ table: name, found: plain.includes(key) }).toEqual({ table: name, found: false });
    }
  }
});

/** What `bytea` columns say when they are read as text. */
function hexDecoded(text: string): string {
  return [...text.matchAll(/\\\\x([0-9a-f]+)/g)]
    .map((match) => Buffer.from(match[1] ?? '', 'hex').toString('latin1'))
    .join('\n');
}

test('requests are logged by route, status and organization, and by nothing of what they carry', async () => {
  const query = `external_id=${CANARIES.lastName}`;
  await request(tested.url).get(`/v1/cardholders?${query}`).set('Authorization', `Bearer ${key}`).expect(200);
  await request(tested.url).get(`/v1/${CANARIES.lastName}`).expect(404);
  const lines = logged.split('\n').filter((line) => line !== '');
  expect(lines.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({
      method: 'GET',
      route: '/v1/cardholders',
      status: 200,
      organization_id: expect.any(String),
    }),
  );
  for (const secret of [...Object.values(CANARIES), key, OPERATOR_KEY]) expect(logged).not.toContain(secret);
  for (const line of lines) expect(line.match(/"request_id"/g)?.length ?? 0).toBeLessThan(2);
});
