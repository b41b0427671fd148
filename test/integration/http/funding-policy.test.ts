import request from 'supertest';
import { formatId } from '../../../services/shared/ids';
import { createSpendingWorld, type SpendingWorld, type WorldAccount } from '../../builders/spending-world';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';

let tested: ApiUnderTest;
let key: string;
let world: SpendingWorld;
let account: WorldAccount;
let keys = 0;

beforeAll(async () => {
  tested = await startApiUnderTest();
  world = await createSpendingWorld(tested.database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 100_000_000n, EURC: 50_000_000n },
    collateral: { WETH: 10n ** 18n },
    credit: true,
  });
  [account] = world.accounts as [WorldAccount];
  const answer = await request(tested.url)
    .post(`/v1/organizations/${formatId('organization', world.organizationId)}/api-keys`)
    .set('Authorization', `Bearer ${OPERATOR_KEY}`)
    .set('Idempotency-Key', 'funding-policy-key')
    .send({ label: 'tests', scopes: ['read', 'accounts:write'] });
  key = answer.body.secret ?? answer.body.api_key?.secret;
});

afterAll(async () => {
  await tested.end();
});

const path = (rest: string) => `/v1/accounts/${formatId('account', account.accountId)}${rest}`;
const usd = (amount: string) => ({ amount, asset: 'USD' });

function post(rest: string, body: object) {
  keys += 1;
  return request(tested.url)
    .post(path(rest))
    .set('Authorization', `Bearer ${key}`)
    .set('Idempotency-Key', `funding-${keys}`)
    .send(body);
}

function put(body: object) {
  return request(tested.url).put(path('/funding-policy')).set('Authorization', `Bearer ${key}`).send(body);
}

const source = (asset: string, rest: object = {}) => ({ kind: 'stablecoin', asset, ...rest });

test.each<[string, object[], number, string, RegExp]>([
  ['an unknown asset', [source('DAI')], 400, '/sources/0/asset', /USDC/],
  ['an asset twice', [source('USDC'), source('USDC')], 400, '/sources/1', /USDC is named twice/],
  ['the loan twice', [{ kind: 'loan' }, { kind: 'loan' }], 400, '/sources/1', /the loan is named twice/],
  [
    'a floor in surplus decimals',
    [source('USDC', { keep: { amount: '0.0000001', asset: 'USDC' } })],
    400,
    '/sources/0/keep/amount',
    /USDC has 6/,
  ],
  [
    'a floor in another coin',
    [source('USDC', { keep: { amount: '1', asset: 'EURC' } })],
    400,
    '/sources/0/keep/asset',
    /must be USDC/,
  ],
  [
    'a ceiling in surplus decimals',
    [source('USDC', { max_per_purchase: usd('10.001') })],
    400,
    '/sources/0/max_per_purchase/amount',
    /USD has 2/,
  ],
  [
    'a ceiling of nothing',
    [source('USDC', { max_per_purchase: usd('0') })],
    400,
    '/sources/0/max_per_purchase/amount',
    /above zero/,
  ],
  ['a share of nothing', [source('USDC', { max_share_bps: 0 })], 400, '/sources/0/max_share_bps', /1/],
  [
    'shares that cover no purchase',
    [source('USDC', { max_share_bps: 4_000 }), source('EURC', { max_share_bps: 4_000 })],
    400,
    '/sources',
    /8000 basis points/,
  ],
  ['a debt ceiling on a coin', [source('USDC', { max_debt: usd('1') })], 400, '/sources/0/max_debt', /./],
])('%s is refused with a pointer and the mend', async (_, sources, status, pointer, detail) => {
  const answer = await put({ mode: 'custom', sources });
  expect(answer.status).toBe(status);
  const problems: { pointer: string; detail: string }[] = answer.body.errors ?? [];
  const problem = problems.find((each) => each.pointer === pointer);
  expect(problem).toBeDefined();
  expect(`${problem?.detail} ${answer.body.detail}`).toMatch(detail);
});

test('a policy with every floor and ceiling reads back as it was sent', async () => {
  const sources = [
    source('USDC', {
      keep: { amount: '20.000000', asset: 'USDC' },
      max_per_purchase: usd('50.00'),
      max_share_bps: null,
    }),
    source('EURC', { keep: { amount: '0.000000', asset: 'EURC' }, max_per_purchase: null, max_share_bps: 5_000 }),
    {
      kind: 'loan',
      ltv_max_bps: 4_000,
      max_debt: { amount: '900.000000', asset: 'USDC' },
      max_per_purchase: null,
      max_share_bps: null,
    },
  ];
  const changed = await put({ mode: 'custom', sources }).expect(200);
  expect(changed.body.funding_policy).toEqual({ mode: 'custom', sources });
  const restored = await put({ mode: 'sell' }).expect(200);
  expect(restored.body.funding_policy.sources.map((each: { asset: string }) => each.asset)).toEqual(['USDC', 'EURC']);
});

test('a quote shows what the hold is made of, when it ends, and why it could not be larger', async () => {
  const quote = (await post('/quote', { amount: usd('50.00'), mcc: '5812' }).expect(200)).body;
  expect(quote).toMatchObject({
    approvable: true,
    hold_amount: usd('60.00'),
    hold: { amount: usd('50.00'), allowance: usd('10.00'), fee: usd('0.00') },
    legs: [{ kind: 'stablecoin_sale', covers: usd('60.00') }],
    largest_limited_by: { reason: 'insufficient_funds' },
  });
  expect(quote.hold.buffers).toEqual([{ amount: '0.300000', asset: 'USDC' }]);
  expect(quote.options).toContainEqual(
    expect.objectContaining({ kind: 'loan_draw', rejection: 'not_in_policy', explanation: expect.any(String) }),
  );
  expect(Date.parse(quote.expires_at)).toBeGreaterThan(Date.now());

  const { amount: largest } = quote.largest_amount;
  const cents = Number(largest.replace('.', ''));
  const oneMore = `${Math.floor((cents + 1) / 100)}.${String((cents + 1) % 100).padStart(2, '0')}`;
  expect((await post('/quote', { amount: usd(largest), mcc: '5812' })).body.approvable).toBe(true);
  expect((await post('/quote', { amount: usd(oneMore), mcc: '5812' })).body).toMatchObject({
    approvable: false,
    decline_reason: 'insufficient_funds',
  });
});

test('a pump that asks for a dollar holds what it may clear', async () => {
  const quote = (await post('/quote', { amount: usd('1.00'), mcc: '5542' }).expect(200)).body;
  expect(quote).toMatchObject({ approvable: false, decline_reason: 'insufficient_funds' });
  const preview = await post('/funding-policy/preview', {
    funding_policy: { mode: 'automatic' },
    purchases: [{ amount: usd('1.00'), mcc: '5542' }],
  }).expect(200);
  expect(preview.body.purchases[0].proposed).toMatchObject({
    approvable: true,
    hold_amount: usd('175.00'),
    hold: { amount: usd('1.00'), allowance: usd('174.00') },
  });
});

test('a preview shows both policies side by side with the debt they leave, and writes nothing', async () => {
  const before = await tested.countRows();
  const account1 = (await request(tested.url).get(path('')).set('Authorization', `Bearer ${key}`).expect(200)).body;
  const answer = await post('/funding-policy/preview', {
    funding_policy: {
      mode: 'custom',
      sources: [source('USDC', { keep: { amount: '60', asset: 'USDC' } }), { kind: 'loan', ltv_max_bps: 4_000 }],
    },
    purchases: [{ amount: usd('100.00') }, { amount: usd('5000.00') }],
  }).expect(200);
  const [affordable, tooMuch] = answer.body.purchases;
  expect(affordable.current.legs.map((leg: { hold: { asset: string } }) => leg.hold.asset)).toEqual(['USDC', 'EURC']);
  expect(affordable.current.credit_after).toMatchObject({
    debt: { amount: '0.000000' },
    ltv: '0.0000',
    health: null,
    buffer_used: null,
  });
  expect(affordable.proposed.legs.map((leg: { kind: string }) => leg.kind)).toEqual(['stablecoin_sale', 'loan_draw']);
  expect(affordable.proposed.credit_before).toMatchObject({ ltv: '0.0000', health: null, buffer_used: null });
  const { debt, ltv, health } = affordable.proposed.credit_after;
  expect(debt).toEqual(affordable.proposed.legs[1].hold);
  expect(Number(ltv)).toBeGreaterThan(0);
  expect(Number(health)).toBeGreaterThan(1);
  expect(tooMuch.proposed).toMatchObject({ approvable: false, decline_reason: 'insufficient_funds' });
  expect(tooMuch.proposed.options.map((each: { rejection: string }) => each.rejection)).toEqual([
    'kept_by_policy',
    'account_ltv',
    'not_in_policy',
  ]);
  expect(await tested.countRows()).toEqual(before);
  const account2 = (await request(tested.url).get(path('')).set('Authorization', `Bearer ${key}`).expect(200)).body;
  expect(account2.funding_policy).toEqual(account1.funding_policy);
});

test('a preview of a policy that could not be set says what setting it would say', async () => {
  const answer = await post('/funding-policy/preview', {
    funding_policy: { mode: 'custom', sources: [source('USDC'), source('USDC')] },
    purchases: [{ amount: usd('1.00') }],
  }).expect(400);
  expect(answer.body.errors[0]).toMatchObject({ pointer: '/funding_policy/sources/1' });
});
