import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { lithicRequest } from '../../builders/lithic-request';
import { signedHeaders } from '../../builders/signed-message';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';
import { seedAccount } from './seed-everything';

const ASA = '/processors/lithic/authorizations';
const EVENTS = '/processors/lithic/events';

let tested: ApiUnderTest;
let key: string;
let card: { account: string; cardToken: string };

beforeAll(async () => {
  tested = await startApiUnderTest();
  const organization = await tested.createOrganization('ingress');
  key = organization.key;
  card = await seedAccount(tested.sql, { url: tested.url, key });
});

afterAll(async () => {
  await tested.end();
});

function purchase(overrides: Record<string, unknown> = {}) {
  return lithicRequest(card.cardToken, 4_250, overrides);
}

function signed(path: string, body: string, options: { secret?: string; at?: Date; id?: string } = {}) {
  const secret = options.secret ?? (path === ASA ? tested.asaSecret : tested.eventsSecret);
  return request(tested.url)
    .post(path)
    .set(signedHeaders(secret, body, options))
    .send(body);
}

describe('what is refused changes nothing', () => {
  let before: Record<string, number>;
  beforeEach(async () => {
    before = await tested.countRows();
  });
  afterEach(async () => {
    expect(await tested.countRows()).toEqual(before);
  });

  test.each([ASA, EVENTS])('a bad signature, none, a stale one, one of the other door: %s', async (path) => {
    const body = JSON.stringify(purchase());
    const other = path === ASA ? tested.eventsSecret : tested.asaSecret;
    await request(tested.url).post(path).set('Content-Type', 'application/json').send(body).expect(401);
    await signed(path, body, { secret: other }).expect(401);
    await signed(path, body, { at: new Date(Date.now() - 301_000) }).expect(401);
    await signed(path, body, { at: new Date(Date.now() + 301_000) }).expect(401);
    const good = signed(path, body);
    await good.set('webhook-signature', `${'v1,'}${Buffer.alloc(32).toString('base64')}`).expect(401);
  });

  test('the vendors’ webhooks with bad signatures', async () => {
    for (const path of ['/webhooks/sumsub', '/webhooks/bridge']) {
      const answer = await request(tested.url).post(path).send({ type: 'x' }).expect(401);
      expect(answer.body).toEqual({ code: 'signature_invalid' });
    }
  });

  test.each([
    ['no JSON', '{"token":'],
    ['nothing in it', '{}'],
    ['a fraction of a cent', JSON.stringify({ a: 1 })],
  ])('a request that cannot be read is declined in the vendor’s words: %s', async (_name, body) => {
    const answer = await signed(ASA, body).expect(200);
    expect(answer.body.result).toBe('DO_NOT_HONOR');
  });

  test('surplus decimals and a wrong sign are declined, never rounded', async () => {
    for (const amount of [42.5, -1]) {
      const money = { amount, currency: 'USD' };
      const body = purchase({ authorization_amount: amount, amounts: { cardholder: money, merchant: money } });
      const answer = await signed(ASA, JSON.stringify(body)).expect(200);
      expect(answer.body.result).toBe('DO_NOT_HONOR');
    }
  });

  test('an unknown card is declined', async () => {
    const answer = await signed(ASA, JSON.stringify(purchase({ card: { token: randomUUID() } }))).expect(200);
    expect(answer.body.result).toBe('DO_NOT_HONOR');
  });

  test('another method and a body beyond the limit', async () => {
    await request(tested.url).get(ASA).expect(405);
    await signed(ASA, JSON.stringify({ padding: 'x'.repeat(300_000) })).expect(413);
  });

  test('a path below the doors that is none', async () => {
    const answer = await request(tested.url).post('/processors/nobody/authorizations').send({}).expect(404);
    expect(answer.body.code).toBe('route_not_found');
  });
});

test('an empty account is declined, and the decline can be read with its reason', async () => {
  const answer = await signed(ASA, JSON.stringify(purchase())).expect(200);
  expect(answer.body.result).toBe('INSUFFICIENT_FUNDS');
  const listed = await request(tested.url)
    .get(`/v1/authorizations?account_id=${card.account}&state=declined`)
    .set('Authorization', `Bearer ${key}`)
    .expect(200);
  expect(listed.body.data[0]).toMatchObject({
    state: 'declined',
    decline: { reason: 'insufficient_funds' },
    requested: { amount: '42.50', asset: 'USD' },
  });
});

test('the same message twenty times at once is one authorization with one answer', async () => {
  const body = JSON.stringify(purchase());
  const before = await tested.countRows();
  const answers = await Promise.all(Array.from({ length: 20 }, () => signed(ASA, body)));
  expect(new Set(answers.map((answer) => JSON.stringify([answer.status, answer.body]))).size).toBe(1);
  const after = await tested.countRows();
  expect((after.authorizations ?? 0) - (before.authorizations ?? 0)).toBe(1);
});

test('an event is stored and acted on once; a repetition is acknowledged', async () => {
  const body = JSON.stringify({ event_type: 'card.created', card_token: card.cardToken });
  const id = `msg_${randomUUID()}`;
  const before = await tested.countRows();
  await signed(EVENTS, body, { id }).expect(200);
  await signed(EVENTS, body, { id }).expect(200);
  const after = await tested.countRows();
  expect((after.inbox_messages ?? 0) - (before.inbox_messages ?? 0)).toBe(1);
});
