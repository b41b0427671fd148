import request from 'supertest';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';
import { seedAccount } from './seed-everything';

let tested: ApiUnderTest;
let owner: { id: string; key: string };
let ids: Awaited<ReturnType<typeof seedAccount>>;

beforeAll(async () => {
  tested = await startApiUnderTest();
  owner = await tested.createOrganization('versions');
  ids = await seedAccount(tested.sql, { url: tested.url, key: owner.key });
});

afterAll(async () => {
  await tested.end();
});

let keys = 0;
function call(method: 'get' | 'post' | 'put', path: string, body?: object, key = owner.key) {
  keys += 1;
  const agent = request(tested.url);
  const made = method === 'get' ? agent.get(path) : method === 'put' ? agent.put(path) : agent.post(path);
  made.set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': `versions-${keys}` });
  return body === undefined ? made : made.send(body);
}

const limit = (amount: string) => ({ limits: { day_amount: amount } });

test('draft, compare, promote, cool off, discard, roll back, with the history to read', async () => {
  const cooling = { controls_cooling_off_hours: 24 };
  await call('put', `/v1/programs/${ids.program}/policy`, cooling).expect(200);
  const draft = await call('post', '/v1/control-versions', {
    scope: 'card',
    card_id: ids.card,
    controls: limit('5000'),
    note: 'a calmer card',
  }).expect(201);
  expect(draft.body).toMatchObject({ scope: 'card', card_id: ids.card, version: 2, state: 'draft', base_version: 1 });
  expect(draft.body.created_by).toMatch(/^key_/);

  const compared = await call('get', `/v1/control-versions/${draft.body.id}`).expect(200);
  expect(compared.body).toMatchObject({
    active_version: 1,
    diff: [{ pointer: '/limits', from: null, to: { day_amount: '5000' } }],
  });

  const promoted = await call('post', `/v1/control-versions/${draft.body.id}/promote`).expect(200);
  expect(promoted.body.state).toBe('active');

  const raised = await call('put', `/v1/cards/${ids.card}/controls`, limit('9000')).expect(200);
  expect(raised.body.controls).toEqual(limit('5000'));
  const scheduled = await call('get', `/v1/control-versions?card_id=${ids.card}&state=scheduled`).expect(200);
  expect(scheduled.body.data).toHaveLength(1);
  const [waiting] = scheduled.body.data;
  expect(Date.parse(waiting.effective_at) - Date.parse(waiting.promoted_at)).toBe(24 * 3_600_000);
  await call('post', `/v1/control-versions/${waiting.id}/discard`).expect(200);

  const back = await call('post', `/v1/control-versions/${draft.body.id}/roll-back`, { note: 'again' }).expect(409);
  expect(back.body.code).toBe('state_conflict');
  await call('put', `/v1/cards/${ids.card}/controls`, limit('4000')).expect(200);
  const restored = await call('post', `/v1/control-versions/${draft.body.id}/roll-back`).expect(201);
  expect(restored.body).toMatchObject({ state: 'scheduled', restores_version: 2, controls: limit('5000') });

  const history = await call('get', `/v1/control-versions?card_id=${ids.card}`).expect(200);
  expect(history.body.data.map((each: { version: number; state: string }) => `${each.version} ${each.state}`)).toEqual([
    '5 scheduled',
    '4 active',
    '3 discarded',
    '2 superseded',
    '1 superseded',
  ]);
});

test('a draft that a newer version has overtaken says how to go on', async () => {
  const controls = limit('7000');
  const stale = await call('post', '/v1/control-versions', { scope: 'account', account_id: ids.account, controls });
  await call('put', `/v1/accounts/${ids.account}/controls`, limit('6000')).expect(200);
  const refused = await call('post', `/v1/control-versions/${stale.body.id}/promote`, {}).expect(409);
  expect(refused.body).toMatchObject({ code: 'state_conflict' });
  expect(refused.body.detail).toContain('"force": true');
  const forced = await call('post', `/v1/control-versions/${stale.body.id}/promote`, { force: true }).expect(200);
  expect(forced.body).toMatchObject({ state: 'scheduled', controls });
});

test("a program's draft is checked like a policy, and points into the body", async () => {
  const before = await tested.countRows();
  const refused = await call('post', '/v1/control-versions', {
    scope: 'program',
    program_id: ids.program,
    policy: { stablecoins: ['WETH'] },
  }).expect(400);
  expect(refused.body.errors).toEqual([expect.objectContaining({ pointer: '/policy/stablecoins/0' })]);
  expect(await tested.countRows()).toEqual(before);
  await call('get', `/v1/control-versions?card_id=${ids.card}&account_id=${ids.account}`).expect(400);
});

test('a backtest is requested, listed, shown and cancelled', async () => {
  const draft = await call('post', '/v1/control-versions', {
    scope: 'program',
    program_id: ids.program,
    policy: { limits: { day_amount: '1000' } },
  }).expect(201);
  const path = `/v1/control-versions/${draft.body.id}/backtests`;
  const started = await call('post', path, { from: new Date(Date.now() - 86_400_000) }).expect(202);
  expect(started.body).toMatchObject({
    control_version_id: draft.body.id,
    state: 'requested',
    progress: '0.0000',
    replayed: 0,
    approved_to_declined: { count: 0, amount: { amount: '0.00', asset: 'USD' } },
  });
  const listed = await call('get', `/v1/backtests?control_version_id=${draft.body.id}`).expect(200);
  expect(listed.body.data.map((each: { id: string }) => each.id)).toEqual([started.body.id]);
  await call('get', `/v1/backtests/${started.body.id}`).expect(200);
  const cancelled = await call('post', `/v1/backtests/${started.body.id}/cancel`).expect(200);
  expect(cancelled.body.state).toBe('cancelled');
  const future = await call('post', path, { from: new Date(Date.now() + 86_400_000) }).expect(400);
  expect(future.body.errors).toEqual([expect.objectContaining({ pointer: '/from' })]);
});

test('a key without the scope changes no rules', async () => {
  const made = await call('post', '/v1/api-keys', { label: 'cards only', scopes: ['read', 'cards:write'] }).expect(201);
  const { secret } = made.body;
  const body = { scope: 'card', card_id: ids.card, controls: {} };
  const refused = await call('post', '/v1/control-versions', body, secret).expect(403);
  expect(refused.body.code).toBe('scope_missing');
  await call('get', '/v1/control-versions', undefined, secret).expect(200);
});
