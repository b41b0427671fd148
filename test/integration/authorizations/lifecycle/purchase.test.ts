import { DEFAULT_LIMITS, type Lifecycle, merchantOf, startLifecycle, TAKES_PARTIAL, USDC } from './network';

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

test('an authorization holds, its clearing posts what was held and owes the network', async () => {
  const holder = await network.cardholder({ policy: { limits: DEFAULT_LIMITS } });
  const purchase = holder.purchase();
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 10_000n,
    held: 10_000n,
    free: 400n * USDC,
    owedToNetwork: 0n,
    counted: ['10000', 1],
  });
  await purchase.tell('AUTHORIZATION', 10_000, { token: purchase.lastEventToken, polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n });
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 10_000n,
    held: 0n,
    free: 400n * USDC,
    owedToNetwork: 10_000n,
    counted: ['10000', 1],
  });
});

test('a decline is told in the processor’s words and changes nothing but its record', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  expect(await purchase.ask(50_001)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'declined',
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
});

test('a repeated message gets its answer again, one with other content is refused', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  const first = await purchase.ask(10_000);
  const eventToken = purchase.lastEventToken;
  expect(await purchase.ask(0, { body: purchase.lastBody })).toEqual(first);
  expect(await purchase.ask(12_000, { eventToken })).toEqual({ result: 'SUSPECTED_FRAUD' });
  expect(await holder.books(purchase)).toMatchObject({ approved: 10_000n, held: 10_000n, free: 400n * USDC });
});

test('a terminal that can take less is approved what the account covers', async () => {
  const holder = await network.cardholder({ policy: { partial_approvals: true } });
  const purchase = holder.purchase(TAKES_PARTIAL);
  expect(await purchase.ask(60_000)).toEqual({ result: 'APPROVED', approved_amount: 50_000 });
  expect(await holder.books(purchase)).toMatchObject({
    approved: 50_000n,
    held: 50_000n,
    free: 0n,
    counted: ['50000', 1],
  });
  await purchase.tell('CLEARING', 50_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 50_000n, overdue: 0n });
});

test('several clearings take the hold in parts; the last of the purchase frees the rest', async () => {
  const holder = await network.cardholder({ policy: { limits: DEFAULT_LIMITS } });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 3_000, { holdLeft: 7_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'partially_cleared',
    held: 7_000n,
    owedToNetwork: 3_000n,
  });
  await purchase.tell('CLEARING', 2_000, { holdLeft: 5_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'partially_cleared',
    held: 5_000n,
    owedToNetwork: 5_000n,
  });
  await purchase.tell('CLEARING', 4_000, { holdLeft: 0 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 9_000n,
    held: 0n,
    free: 410n * USDC,
    owedToNetwork: 9_000n,
    counted: ['9000', 1],
  });
});

test('a clearing without closing flag waits for more, until the network lets the rest expire', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
  await purchase.tell('AUTHORIZATION_EXPIRY', 6_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 4_000n,
    held: 0n,
    free: 460n * USDC,
  });
});

test('a clearing above its hold takes the rest from the account, and what is missing is overdue', async () => {
  const holder = await network.cardholder({ funds: { USDC: 105n * USDC } });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 11_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 11_000n,
    free: 0n,
    owedToNetwork: 11_000n,
    overdue: 500n,
  });
  expect(await holder.purchase().ask(100)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
});

test('a clearing of which no authorization is known posts, whatever became of the card', async () => {
  const holder = await network.cardholder();
  await network.tested.sql.query("UPDATE cards SET state = 'closed' WHERE id = $1", [holder.cardId]);
  const purchase = holder.purchase();
  await purchase.tell('CLEARING', 2_500);
  expect(await holder.books(purchase)).toMatchObject({ state: null, free: 475n * USDC, owedToNetwork: 2_500n });
  expect(await holder.rows('card_transactions')).toMatchObject([
    { kind: 'clearing', forced: true, authorization_id: null },
  ]);
});

test.each([
  ['expiry', 'AUTHORIZATION_EXPIRY', 'expired'],
  ['reversal', 'AUTHORIZATION_REVERSAL', 'reversed'],
])('a clearing after the %s is forced, linked, and leaves the state', async (_name, type, state) => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell(type, 10_000);
  expect(await holder.books(purchase)).toMatchObject({ state, held: 0n, free: 500n * USDC });
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({
    state,
    cleared: 10_000n,
    free: 400n * USDC,
    owedToNetwork: 10_000n,
  });
  const [authorization] = await holder.rows('authorizations');
  expect(await holder.rows('card_transactions')).toMatchObject([{ forced: true, authorization_id: authorization?.id }]);
});

test('a partial reversal frees its part, a full one the rest, each to the limits too', async () => {
  const holder = await network.cardholder({ policy: { limits: DEFAULT_LIMITS } });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION_REVERSAL', 4_000, { holdLeft: 6_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    reversed: 4_000n,
    held: 6_000n,
    counted: ['6000', 1],
  });
  await purchase.tell('AUTHORIZATION_REVERSAL', 6_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'reversed',
    reversed: 10_000n,
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
});

test('a reversal before its authorization leaves nothing held', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.tell('AUTHORIZATION_REVERSAL', 10_000);
  expect(await purchase.ask(10_000)).toEqual({ result: 'DO_NOT_HONOR' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'declined',
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
});

test('a clearing before its authorization posts, and leaves nothing held when that is asked for', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.tell('CLEARING', 10_000);
  expect(await purchase.ask(10_000)).toEqual({ result: 'DO_NOT_HONOR' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'declined',
    held: 0n,
    free: 400n * USDC,
    owedToNetwork: 10_000n,
  });
});

test.each([
  ['5542', 1],
  ['5541', 1],
  ['7011', 30],
  ['3501', 30],
  ['7512', 30],
  ['4511', 30],
  ['5411', 7],
])('a hold at category %s runs out after %i days', async (mcc, days) => {
  const holder = await network.cardholder({ policy: { hold_fixed_amount: {} } });
  const purchase = holder.purchase(merchantOf(mcc));
  const asked = Date.now();
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
  const [expiresAt] = (await holder.rows('authorizations')).map((row) => row.expires_at as Date);
  expect(Math.round((Number(expiresAt) - asked) / 3_600_000)).toBe(days * 24);
});

test('how long a hold lasts is the program’s to say', async () => {
  const holder = await network.cardholder({ policy: { hold_days: { default: 3, hotels: 14 } } });
  await holder.purchase(merchantOf('7011')).ask(1_000);
  await holder.purchase().ask(1_000);
  const lasts = (await holder.rows('authorizations')).map((row) =>
    Math.round(((row.expires_at as Date).getTime() - (row.created_at as Date).getTime()) / 86_400_000),
  );
  expect(lasts).toEqual([14, 3]);
});

test('every message may come twice and in any order: the books end the same', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION', 10_000, { token: purchase.lastEventToken, untold: true });
  await purchase.tell('AUTHORIZATION_REVERSAL', 2_000, { untold: true });
  await purchase.tell('CLEARING', 5_000, { untold: true });
  await purchase.tell('CLEARING', 3_000, { untold: true });
  await purchase.repeat([3], 0);
  await purchase.repeat([0, 2], 3_000);
  await purchase.repeat([1], 0);
  await purchase.repeat();
  await purchase.repeat();
  expect(await holder.books(purchase)).toMatchObject({
    cleared: 8_000n,
    held: 0n,
    free: 420n * USDC,
    owedToNetwork: 8_000n,
  });
  expect(await holder.rows('card_transactions')).toHaveLength(2);
});
