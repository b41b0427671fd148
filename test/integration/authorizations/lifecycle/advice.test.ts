import { type Lifecycle, startLifecycle, USDC } from './network';

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

const UNHEARD = {
  result: 'UNKNOWN_HOST_TIMEOUT',
  detailedResults: ['CUSTOMER_ASA_TIMEOUT'],
  polarity: 'DEBIT',
} as const;

test('an advice tells a new total: more is held, less is given back', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION_ADVICE', 14_000, { polarity: 'DEBIT', holdLeft: 14_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 14_000n,
    held: 14_000n,
    counted: ['14000', 1],
  });
  await purchase.tell('AUTHORIZATION_ADVICE', 6_000, { polarity: 'DEBIT', holdLeft: 6_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    reversed: 8_000n,
    held: 6_000n,
    free: 440n * USDC,
    counted: ['6000', 1],
  });
  await purchase.tell('CLEARING', 6_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 6_000n, held: 0n });
});

test('a pump asks for a dollar and advises what was filled', async () => {
  const holder = await network.cardholder();
  const merchant = { acceptor_id: 'P-1', descriptor: 'PUMP 7', city: 'BERLIN', country: 'DEU', mcc: '5542' };
  const purchase = holder.purchase({ merchant });
  expect(await purchase.ask(100)).toEqual({ result: 'APPROVED' });
  // What the network lets the pump clear on the strength of a dollar.
  expect(await holder.books(purchase)).toMatchObject({ approved: 100n, held: 17_500n, counted: ['100', 1] });
  await purchase.tell('AUTHORIZATION_ADVICE', 4_321, { polarity: 'DEBIT', holdLeft: 4_321 });
  expect(await holder.books(purchase)).toMatchObject({ approved: 4_321n, held: 4_321n, counted: ['4321', 1] });
  await purchase.tell('CLEARING', 4_321);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 4_321n,
    held: 0n,
    owedToNetwork: 4_321n,
    free: 456_790_000n,
    overdue: 0n,
  });
});

test('a pump that clears without advice finds the hold, and one that the account could not cover gets no fuel', async () => {
  const merchant = { acceptor_id: 'P-1', descriptor: 'PUMP 7', city: 'BERLIN', country: 'DEU', mcc: '5542' };
  const holder = await network.cardholder();
  const purchase = holder.purchase({ merchant });
  await purchase.ask(100);
  await purchase.tell('CLEARING', 17_500);
  expect(await holder.books(purchase)).toMatchObject({
    held: 0n,
    owedToNetwork: 17_500n,
    free: 325n * USDC,
    overdue: 0n,
  });
  const poor = await network.cardholder({ funds: { USDC: 174n * USDC } });
  expect(await poor.purchase({ merchant }).ask(100)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await poor.purchase({ merchant }).ask(17_400)).toEqual({ result: 'APPROVED' });
});

test('an advice beyond what the account covers holds what there is; the clearing shows the rest as overdue', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(40_000);
  await purchase.tell('AUTHORIZATION_ADVICE', 70_000, { polarity: 'DEBIT', holdLeft: 70_000 });
  expect(await holder.books(purchase)).toMatchObject({ approved: 70_000n, held: 50_000n, free: 0n });
  await purchase.tell('CLEARING', 70_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 70_000n, overdue: 20_000n });
});

test('a purchase that we never heard of begins with its advice, and its clearing finds the hold', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 10_000n,
    held: 10_000n,
    free: 400n * USDC,
    counted: ['10000', 1],
  });
  const [row] = await holder.rows('authorizations');
  expect(row).toMatchObject({ kind: 'advice', decline_reason: null });
  expect(row?.message_id).not.toBeNull();
  expect(Number(row?.expires_at)).toBeGreaterThan(Date.now());
  expect(JSON.parse(String(row?.receipt))).toMatchObject({ request: { kind: 'advice' } });
  expect([...(await holder.told())].sort()).toEqual(['authorization.advised', 'authorization.approved']);
  await purchase.repeat(undefined, 10_000);
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    held: 0n,
    owedToNetwork: 10_000n,
    counted: ['10000', 1],
  });
  expect(await holder.rows('card_transactions')).toMatchObject([{ forced: false, authorization_id: row?.id }]);
});

test('what the account does not cover of an unknown purchase is shown by its hold', async () => {
  const holder = await network.cardholder({ funds: { USDC: 30n * USDC } });
  const purchase = holder.purchase();
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', approved: 10_000n, held: 3_000n, free: 0n });
  await purchase.tell('AUTHORIZATION_REVERSAL', 4_000, { holdLeft: 6_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', reversed: 4_000n });
  await purchase.tell('CLEARING', 6_000);
  const books = await holder.books(purchase);
  expect(books).toMatchObject({ state: 'cleared', owedToNetwork: 6_000n, overdue: 3_000n, free: 0n });
});

test('a closed card and an account in arrears do not keep an advice from being the truth', async () => {
  const holder = await network.cardholder();
  await network.tested.sql.query("UPDATE cards SET state = 'closed' WHERE id = $1", [holder.cardId]);
  const purchase = holder.purchase();
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n });
});

test('the network stood in for an answer that came too late: its advice opens what we declined', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  expect(await purchase.ask(60_000)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  const { lastBody } = purchase;
  await purchase.tell('AUTHORIZATION', 60_000, { ...UNHEARD, token: purchase.lastEventToken, untold: true });
  await purchase.tell('AUTHORIZATION_ADVICE', 60_000, { polarity: 'DEBIT', holdLeft: 60_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', approved: 60_000n, held: 50_000n, free: 0n });
  expect(await holder.rows('authorizations')).toMatchObject([{ decline_reason: 'insufficient_funds' }]);
  expect(await holder.told()).toEqual(['authorization.declined', 'authorization.advised']);
  // What the terminal is told when it asks once more stays what it was told.
  expect(await purchase.ask(0, { body: lastBody })).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  await purchase.tell('CLEARING', 60_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 60_000n, overdue: 10_000n });
});

test('an approval that nobody heard, and that the network did not stand in for, holds nothing', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION', 10_000, { ...UNHEARD, token: purchase.lastEventToken });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'reversed',
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
});

test('the network says in two deliveries that it did not hear us and that it stood in', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION', 10_000, {
    ...UNHEARD,
    token: purchase.lastEventToken,
    at: new Date(Date.now() - 2_000),
  });
  expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n });
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    held: 10_000n,
    free: 400n * USDC,
    counted: ['10000', 1],
  });
});

test('what happened before the last total is in it, however late it is delivered', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  const earlier = new Date(Date.now() - 5_000);
  await purchase.tell('AUTHORIZATION_REVERSAL', 4_000, { at: earlier, untold: true });
  await purchase.tell('AUTHORIZATION_ADVICE', 9_000, { polarity: 'DEBIT', at: earlier, untold: true });
  await purchase.tell('AUTHORIZATION_ADVICE', 6_000, { polarity: 'DEBIT', untold: true });
  await purchase.repeat([2], 6_000);
  await purchase.repeat([0, 1], 6_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 6_000n, free: 440n * USDC });
});

test('a request that comes after the advice that answered for it holds nothing more', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  const created = new Date(Date.now() - 8_000).toISOString();
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await purchase.ask(10_000, { overrides: { created } })).toEqual({ result: 'DO_NOT_HONOR' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 10_000n,
    held: 10_000n,
    counted: ['10000', 1],
  });
});

test('an advice that was declined after an approval takes the whole purchase back', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION', 10_000, { token: purchase.lastEventToken, polarity: 'DEBIT', untold: true });
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { result: 'DECLINED' });
  expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, free: 500n * USDC });
});
