import request from 'supertest';
import { required } from '../../../services/shared/assert';
import { formatId } from '../../../services/shared/ids';
import { type Partner, startPartner } from '../../../simulators/partner/app';
import { lithicRequest } from '../../builders/lithic-request';
import { signedHeaders } from '../../builders/signed-message';
import { createSpendingWorld } from '../../builders/spending-world';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';
import { seedAccount } from './seed-everything';

let tested: ApiUnderTest;
let key: string;
let partner: Partner;
let program: string;
let account: string;

beforeAll(async () => {
  tested = await startApiUnderTest();
  ({ key } = await tested.createOrganization('partner'));
  ({ program, account } = await seedAccount(tested.sql, { url: tested.url, key }));
  partner = await startPartner({ port: 0, dataFile: null });
});

afterAll(async () => {
  await partner.close();
  await tested.end();
});

let keys = 0;
function call(
  method: 'get' | 'put' | 'post' | 'patch' | 'delete',
  path: string,
  body?: object,
  idempotencyKey?: string,
) {
  keys += 1;
  const made = request(tested.url)
    [method](path)
    .set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': idempotencyKey ?? `partner-${keys}` });
  return body === undefined ? made : made.send(body);
}

const endpoint = () => `/v1/programs/${program}/partner-endpoint`;

describe('the endpoint at which the fintech is asked', () => {
  test('there is none at first', async () => {
    expect((await call('get', endpoint()).expect(404)).body.code).toBe('not_found');
    await call('delete', endpoint()).expect(404);
    await call('post', `${endpoint()}/rotate-secret`).expect(404);
    await call('post', `${endpoint()}/test`).expect(404);
  });

  test('its secret is shown when it is made, and never again; it is stored sealed', async () => {
    const made = await call('put', endpoint(), { url: `${partner.url}/decisions` }).expect(200);
    expect(made.body).toMatchObject({ program_id: program, state: 'active', secret_version: 1, last_result: null });
    expect(made.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    partner.learnSecret(made.body.secret);
    expect((await call('put', endpoint(), { url: `${partner.url}/decisions` }).expect(200)).body.secret).toBeNull();
    const shown = await call('get', endpoint()).expect(200);
    expect(shown.body).not.toHaveProperty('secret');
    const stored = await tested.sql.query('SELECT * FROM partner_endpoints');
    expect(stored.rows).toHaveLength(1);
    const bytes = [stored.rows[0].secret, stored.rows[0].data_key].map((value: Buffer) => value.toString('latin1'));
    for (const text of bytes) expect(text).not.toContain(made.body.secret.slice(6, 26));
  });

  test('a test question is signed and decides nothing; what comes back is shown', async () => {
    partner.setRules({ decline_above: '20.00' });
    const before = await tested.countRows();
    const small = await call('post', `${endpoint()}/test`).expect(200);
    expect(small.body).toMatchObject({ cause: 'answered', decision: 'approve', http_status: 200, detail: null });
    expect(JSON.parse(small.body.sent)).toMatchObject({ type: 'authorization.requested', test: true });
    const large = await call('post', `${endpoint()}/test`, { amount: { amount: '20.01', asset: 'USD' } }).expect(200);
    expect(large.body).toMatchObject({ decision: 'decline', reason: 'above 20.00' });
    expect(partner.questions().map(({ test, signature }) => ({ test, signature }))).toEqual([
      { test: true, signature: 'valid' },
      { test: true, signature: 'valid' },
    ]);
    partner.behave({ mode: 'garbage', times: 1, slow_ms: 0 });
    const garbage = await call('post', `${endpoint()}/test`).expect(200);
    expect(garbage.body).toMatchObject({
      cause: 'invalid_answer',
      decision: null,
      detail: 'the answer is not JSON',
      received: '<html>It works!</html>',
    });
    expect(await tested.countRows()).toEqual(before);
  });

  test('the secret rotates with an overlap, is shown once, and not in a replay', async () => {
    const rotated = await call('post', `${endpoint()}/rotate-secret`, { overlap_hours: 1 }, 'rotate').expect(200);
    expect(rotated.body).toMatchObject({ secret_version: 2, secret: expect.stringMatching(/^whsec_/) });
    expect(Date.parse(rotated.body.previous_secret_expires_at)).toBeGreaterThan(Date.now());
    const replayed = await call('post', `${endpoint()}/rotate-secret`, { overlap_hours: 1 }, 'rotate').expect(200);
    expect(replayed.headers['idempotency-replayed']).toBe('true');
    expect(replayed.body).toMatchObject({ secret_version: 2, secret: null });
    // The partner still knows only the former one.
    expect((await call('post', `${endpoint()}/test`).expect(200)).body.cause).toBe('answered');
    const atOnce = await call('post', `${endpoint()}/rotate-secret`, { overlap_hours: 0 }).expect(200);
    expect(atOnce.body.previous_secret_expires_at).toBeNull();
    expect((await call('post', `${endpoint()}/test`).expect(200)).body).toMatchObject({
      cause: 'error',
      http_status: 401,
    });
    partner.learnSecret(atOnce.body.secret);
    expect((await call('post', `${endpoint()}/test`).expect(200)).body.cause).toBe('answered');
  });

  test.each(['not a url', 'ftp://127.0.0.1/', 'https://user:pw@example.com/', 'https://example.com/#x'])(
    '%s is refused, with its pointer',
    async (url) => {
      const refused = await call('put', endpoint(), { url }).expect(400);
      expect(refused.body.errors).toEqual([expect.objectContaining({ pointer: '/url' })]);
    },
  );

  test('it can be switched off and removed; a new one has a secret of its own', async () => {
    const off = await call('put', endpoint(), { url: `${partner.url}/decisions`, state: 'disabled' }).expect(200);
    expect(off.body.state).toBe('disabled');
    await call('delete', endpoint()).expect(200);
    await call('get', endpoint()).expect(404);
    const again = await call('put', endpoint(), { url: `${partner.url}/decisions` }).expect(200);
    expect(again.body).toMatchObject({ secret_version: 1, secret: expect.stringMatching(/^whsec_/) });
    const events = await call('get', '/v1/events?limit=100').expect(200);
    const types = events.body.data.map((event: { type: string }) => event.type);
    expect(types.filter((type: string) => type.startsWith('program.partner_')).reverse()).toEqual([
      'program.partner_endpoint_created',
      'program.partner_secret_rotated',
      'program.partner_secret_rotated',
      'program.partner_endpoint_changed',
      'program.partner_endpoint_removed',
      'program.partner_endpoint_created',
    ]);
    expect(JSON.stringify(events.body)).not.toContain('whsec_');
  });
});

describe('the switches', () => {
  test('a program is switched off with a reason, without a body too, and on again', async () => {
    const off = await call('post', `/v1/programs/${program}/disable`, { reason: 'fraud wave' }).expect(200);
    expect(off.body).toMatchObject({ state: 'disabled', state_reason: 'fraud wave' });
    const on = await call('post', `/v1/programs/${program}/enable`).expect(200);
    expect(on.body).toMatchObject({ state: 'active', state_reason: null });
    const events = await call('get', '/v1/events?limit=2').expect(200);
    expect(events.body.data).toMatchObject([
      { type: 'program.enabled', data: { reason: null } },
      { type: 'program.disabled', data: { reason: 'fraud wave' } },
    ]);
  });

  test('a kind of card: opened, renamed, issued, switched off and on', async () => {
    const open = (name: string) => call('post', '/v1/card-products', { program_id: program, name, kind: 'physical' });
    const product = (await open('Metal').expect(201)).body;
    expect(product).toMatchObject({ program_id: program, name: 'Metal', kind: 'physical', state: 'active' });
    expect((await open('Metal').expect(409)).body.code).toBe('already_exists');
    await open('Plastic').expect(201);
    const path = `/v1/card-products/${product.id}`;
    expect((await call('patch', path, { name: 'Plastic' }).expect(409)).body.code).toBe('already_exists');
    expect((await call('patch', path, { name: 'Steel' }).expect(200)).body.name).toBe('Steel');

    const issue = (body: object) => call('post', '/v1/cards', { account_id: account, product_id: product.id, ...body });
    const card = (await issue({}).expect(202)).body;
    expect(card).toMatchObject({ product_id: product.id, kind: 'physical' });
    expect((await issue({ kind: 'virtual' }).expect(400)).body.errors).toEqual([
      expect.objectContaining({ pointer: '/kind' }),
    ]);
    const filtered = await call('get', `/v1/cards?product_id=${product.id}`).expect(200);
    expect(filtered.body.data.map((each: { id: string }) => each.id)).toEqual([card.id]);

    const off = await call('post', `${path}/disable`, { reason: 'recall' }).expect(200);
    expect(off.body).toMatchObject({ state: 'disabled', state_reason: 'recall' });
    expect((await issue({}).expect(422)).body.code).toBe('product_disabled');
    expect((await call('get', '/v1/card-products?state=disabled').expect(200)).body.data).toHaveLength(1);
    expect((await call('post', `${path}/enable`).expect(200)).body.state).toBe('active');
    const events = await call('get', '/v1/events?limit=2').expect(200);
    expect(events.body.data).toMatchObject([
      { type: 'card_product.enabled', resource_id: product.id, data: { program_id: program } },
      { type: 'card_product.disabled', data: { reason: 'recall' } },
    ]);
  });

  test('a card of a product of another program is refused', async () => {
    const other = (await call('post', '/v1/programs', { name: 'Other' }).expect(201)).body.id;
    const product = (await call('post', '/v1/card-products', { program_id: other, name: 'X' }).expect(201)).body.id;
    const refused = await call('post', '/v1/cards', { account_id: account, product_id: product }).expect(404);
    expect(refused.body.errors).toEqual([expect.objectContaining({ pointer: '/product_id' })]);
  });
});

describe("the policy's part", () => {
  const policy = (partner_decision: unknown) =>
    call('put', `/v1/programs/${program}/policy`, { partner_decision } as object);

  test('defaults fill what is left out, changes keep the rest, null ends it', async () => {
    const set = await policy({ stand_in: { default: 'decline', approve_up_to: '2500' } }).expect(200);
    expect(set.body.policy.partner_decision).toEqual({
      enabled: true,
      timeout_ms: 800,
      stand_in: { default: 'decline', approve_up_to: '2500' },
      breaker: { failures: 5, open_seconds: 30 },
    });
    const changed = await policy({ timeout_ms: 300, breaker: { failures: 2 } }).expect(200);
    expect(changed.body.policy.partner_decision).toMatchObject({
      timeout_ms: 300,
      stand_in: { approve_up_to: '2500' },
      breaker: { failures: 2, open_seconds: 30 },
    });
    expect((await policy(null).expect(200)).body.policy.partner_decision).toBeNull();
  });

  test.each([
    [{ timeout_ms: 1_501 }, '/partner_decision/timeout_ms'],
    [{ timeout_ms: 99 }, '/partner_decision/timeout_ms'],
    [{ stand_in: { default: 'ask' } }, '/partner_decision/stand_in/default'],
    [{ stand_in: { default: 'approve', approve_up_to: '1' } }, '/partner_decision/stand_in'],
    [{ stand_in: { default: 'decline', decline_above: '1' } }, '/partner_decision/stand_in'],
    [{ stand_in: { default: 'decline', approve_up_to: '1.00' } }, '/partner_decision/stand_in/approve_up_to'],
    [{ breaker: { failures: 0 } }, '/partner_decision/breaker/failures'],
  ])('%j is refused', async (change, pointer) => {
    const refused = await policy(change).expect(400);
    expect(refused.body.errors).toEqual([expect.objectContaining({ pointer })]);
  });
});

test('from the network to the fintech and back: through the signed door, with what came of it in the API', async () => {
  const world = await createSpendingWorld(tested.database.superuserUrl, { accounts: 1, funds: { USDC: 500_000_000n } });
  const account = required(world.accounts[0], 'the account');
  const made = await request(tested.url)
    .post(`/v1/organizations/${formatId('organization', world.organizationId)}/api-keys`)
    .set({ Authorization: `Bearer ${OPERATOR_KEY}`, 'Idempotency-Key': 'door' })
    .send({ label: 'door' })
    .expect(201);
  const own = { Authorization: `Bearer ${made.body.secret}` };
  const programPath = `/v1/programs/${formatId('program', world.programId)}`;
  const fintech = await startPartner({ port: 0, dataFile: null });
  try {
    const set = await request(tested.url)
      .put(`${programPath}/partner-endpoint`)
      .set(own)
      .send({ url: `${fintech.url}/decisions` })
      .expect(200);
    fintech.learnSecret(set.body.secret);
    fintech.setRules({ decline_above: '20.00' });
    await request(tested.url)
      .put(`${programPath}/policy`)
      .set(own)
      .send({ partner_decision: { timeout_ms: 1_500 } })
      .expect(200);

    const ask = async (cents: number) => {
      const body = JSON.stringify(lithicRequest(account.cardToken, cents));
      const answer = await request(tested.url)
        .post('/processors/lithic/authorizations')
        .set(signedHeaders(tested.asaSecret, body))
        .send(body)
        .expect(200);
      return answer.body.result;
    };
    expect(await ask(2_000)).toBe('APPROVED');
    expect(await ask(2_001)).not.toBe('APPROVED');

    const listed = await request(tested.url).get('/v1/authorizations').set(own).expect(200);
    expect(listed.body.data).toMatchObject([
      {
        state: 'declined',
        decline: { reason: 'partner_declined' },
        partner_decision: { decision: 'decline', source: 'partner', cause: 'answered', reason: 'above 20.00' },
      },
      { state: 'pending', partner_decision: { decision: 'approve', source: 'partner', reason: null } },
    ]);
    expect(
      listed.body.data.map((each: { partner_decision: { request_id: string } }) => each.partner_decision.request_id),
    ).toEqual(
      fintech
        .questions()
        .map(({ id }) => id)
        .reverse(),
    );
    const events = await request(tested.url).get('/v1/events?type=authorization.declined').set(own).expect(200);
    expect(events.body.data).toMatchObject([{ data: { partner_decision: { reason: 'above 20.00' } } }]);
    const metrics = (await request(tested.url).get('/metrics').expect(200)).text;
    expect(metrics).toContain('escudo_partner_verdicts_total{cause="answered",decision="approve"} 1');
    expect(metrics).toContain('escudo_partner_verdicts_total{cause="answered",decision="decline"} 1');
  } finally {
    await fintech.close();
  }
});
