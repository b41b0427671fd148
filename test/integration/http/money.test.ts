import request from 'supertest';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';
import { seedAccount } from './seed-everything';

let tested: ApiUnderTest;
let key: string;
let account: string;
let before: Record<string, number>;

beforeAll(async () => {
  tested = await startApiUnderTest();
  ({ key } = await tested.createOrganization('money'));
  ({ account } = await seedAccount(tested.sql, { url: tested.url, key }));
  before = await tested.countRows();
});

afterAll(async () => {
  expect(await tested.countRows()).toEqual(before);
  await tested.end();
});

function quote(amount: unknown) {
  return request(tested.url)
    .post(`/v1/accounts/${account}/quote`)
    .set('Authorization', `Bearer ${key}`)
    .send({ amount });
}

test.each([
  ['surplus decimals', { amount: '1.005', asset: 'USD' }, '/amount/amount', 'surplus_decimals'],
  ['a negative amount', { amount: '-1.00', asset: 'USD' }, '/amount/amount', 'negative'],
  ['zero', { amount: '0.00', asset: 'USD' }, '/amount/amount', 'zero'],
  ['an amount beyond all bounds', { amount: '9'.repeat(70), asset: 'USD' }, '/amount/amount', 'too_large'],
  ['a text beyond all bounds', { amount: '9'.repeat(5_000), asset: 'USD' }, '/amount/amount', 'too_large'],
  ['an exponent', { amount: '1e3', asset: 'USD' }, '/amount/amount', 'not_a_decimal'],
  ['a thousands separator', { amount: '1,000.00', asset: 'USD' }, '/amount/amount', 'not_a_decimal'],
  ['a leading zero', { amount: '01.00', asset: 'USD' }, '/amount/amount', 'not_a_decimal'],
  ['digits of another script', { amount: '١.٠٠', asset: 'USD' }, '/amount/amount', 'not_a_decimal'],
  ['a number', { amount: 12.34, asset: 'USD' }, '/amount/amount', 'invalid_type'],
  ['an asset that fits elsewhere', { amount: '1.00', asset: 'USDC' }, '/amount/asset', 'wrong_asset'],
  ['an asset that nobody knows', { amount: '1.00', asset: 'DOGE' }, '/amount/asset', 'unknown_asset'],
  ['no asset', { amount: '1.00' }, '/amount/asset', 'required'],
  ['an unknown field', { amount: '1.00', asset: 'USD', currency: 'USD' }, '/amount/currency', 'unknown_field'],
  ['a bare string', '1.00', '/amount', 'invalid_type'],
])('%s is refused with a pointer', async (_name, amount, pointer, code) => {
  const answer = await quote(amount).expect(400);
  expect(answer.body.code).toBe('invalid_request');
  expect(answer.body.errors).toEqual(expect.arrayContaining([expect.objectContaining({ pointer, code })]));
});

test('both sides of the scale: as many decimals as the asset has, and one more', async () => {
  await quote({ amount: '1.01', asset: 'USD' }).expect(200);
  await quote({ amount: '1', asset: 'USD' }).expect(200);
  await quote({ amount: '1.010', asset: 'USD' }).expect(400);
  const policy = (keep: string) =>
    request(tested.url)
      .put(`/v1/accounts/${account}/funding-policy`)
      .set('Authorization', `Bearer ${key}`)
      .send({
        mode: 'custom',
        sources: [{ kind: 'stablecoin', asset: 'USDC', keep: { amount: keep, asset: 'EURC' } }],
      });
  const foreign = await policy('1.000001').expect(400);
  expect(foreign.body.errors).toEqual([
    expect.objectContaining({ pointer: '/sources/0/keep/asset', code: 'wrong_asset' }),
  ]);
  const fine = await policy('1.0000001').expect(400);
  expect(fine.body.errors).toEqual([
    expect.objectContaining({ pointer: '/sources/0/keep/amount', code: 'surplus_decimals' }),
  ]);
});

test('cash at the till is a part of the purchase: all of it at most', async () => {
  const simulate = (cash: string) =>
    request(tested.url)
      .post('/v1/simulate/authorizations')
      .set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': `cash-${cash}` })
      .send({
        card_id: `card_${'0'.repeat(32)}`,
        amount: { amount: '10.00', asset: 'USD' },
        cash_amount: { amount: cash, asset: 'USD' },
      });
  await simulate('10.00').expect(404);
  const above = await simulate('10.01').expect(400);
  expect(above.body.errors).toEqual([expect.objectContaining({ pointer: '/cash_amount/amount' })]);
});
