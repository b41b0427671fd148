import { type Lifecycle, type LithicPurchase, startLifecycle, USDC } from './network';

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

const BEGAN = Date.now() - 3_600_000;

function minute(n: number): Date {
  return new Date(BEGAN + n * 60_000);
}

const ADVICE = { polarity: 'DEBIT' } as const;

describe('an offline purchase whose clearing comes before its advice', () => {
  test('is not held and counted again', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('CLEARING', 10_000, { at: minute(5) });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(1) });
    expect(await holder.books(purchase)).toMatchObject({
      held: 0n,
      free: 400n * USDC,
      owedToNetwork: 10_000n,
      counted: ['10000', 1],
    });
  });

  test('holds what is not cleared yet', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('CLEARING', 4_000, { at: minute(5), holdLeft: 6_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(1), holdLeft: 6_000 });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'partially_cleared',
      approved: 10_000n,
      cleared: 4_000n,
      held: 6_000n,
      free: 400n * USDC,
      counted: ['10000', 1],
    });
    await purchase.tell('CLEARING', 6_000, { at: minute(6) });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'cleared',
      cleared: 10_000n,
      held: 0n,
      owedToNetwork: 10_000n,
      counted: ['10000', 1],
    });
    await purchase.tell('RETURN', 10_000, { at: minute(7) });
    expect(await holder.books(purchase)).toMatchObject({ refunded: 10_000n, owedToNetwork: 0n, free: 500n * USDC });
  });

  test('gives back what is reversed of the rest, and of its limits no more than that', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('CLEARING', 4_000, { at: minute(5), holdLeft: 6_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(1), holdLeft: 6_000 });
    await purchase.tell('AUTHORIZATION_REVERSAL', 6_000, { at: minute(6) });
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, counted: ['4000', 1] });
  });

  test('is over where that clearing was the last', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('CLEARING', 4_000, { at: minute(5) });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(1) });
    expect(await holder.books(purchase)).toMatchObject({ held: 0n, free: 460n * USDC, counted: ['4000', 1] });
  });

  test('is over where a later total, which all was cleared of, was told first', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('CLEARING', 4_000, { at: minute(3), holdLeft: 6_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 4_000, { ...ADVICE, at: minute(4) });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(1) });
    expect(await holder.books(purchase)).toMatchObject({ held: 0n, free: 460n * USDC, counted: ['4000', 1] });
    await purchase.tell('AUTHORIZATION_ADVICE', 5_000, { ...ADVICE, at: minute(5), holdLeft: 1_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 9_000, { ...ADVICE, at: minute(2), holdLeft: 1_000 });
    expect(await holder.books(purchase)).toMatchObject({ approved: 5_000n, held: 1_000n, counted: ['5000', 1] });
  });

  test('is not counted again where we had declined it', async () => {
    const holder = await network.cardholder({ policy: { limits: { per_transaction_amount: '1000' } } });
    const purchase = holder.purchase();
    expect(await purchase.ask(10_000)).toEqual({ result: 'VELOCITY_EXCEEDED' });
    await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: new Date(Date.now() - 500), holdLeft: 6_000 });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'partially_cleared',
      held: 6_000n,
      counted: ['10000', 1],
    });
  });
});

test('an offline purchase that came to nothing is not begun by an older total', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.tell('AUTHORIZATION_ADVICE', 0, { ...ADVICE, at: minute(4) });
  await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(2) });
  expect(await holder.books(purchase)).toMatchObject({ state: null, free: 500n * USDC, counted: ['0', 0] });
  await purchase.tell('AUTHORIZATION_ADVICE', 3_000, { ...ADVICE, at: minute(5), holdLeft: 3_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 3_000n, counted: ['3000', 1] });
});

describe('a total that is dated after a last clearing', () => {
  const clearing = (purchase: LithicPurchase) => purchase.tell('CLEARING', 6_000, { at: minute(3), holdLeft: 0 });
  const total = (purchase: LithicPurchase) =>
    purchase.tell('AUTHORIZATION_ADVICE', 9_000, { ...ADVICE, at: minute(5), holdLeft: 3_000 });

  test.each([
    ['as they were said', [clearing, total]],
    ['the other way round', [total, clearing]],
  ])('holds what it leaves above that, also where the purchase begins with it: told %s', async (_, messages) => {
    const holder = await network.cardholder();
    for (const asked of [false, true]) {
      const purchase = holder.purchase();
      if (asked) await purchase.ask(8_000, { overrides: { created: minute(1).toISOString() } });
      for (const tell of messages) await tell(purchase);
      const books = await holder.books(purchase);
      expect(books).toMatchObject({ state: 'partially_cleared', cleared: 6_000n, held: 3_000n });
      expect(books.approved - books.reversed).toBe(9_000n);
      await purchase.tell('CLEARING', 3_000, { at: minute(7) });
      expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', cleared: 9_000n, held: 0n, overdue: 0n });
    }
  });
});

describe('a pump that has asked for a dollar', () => {
  const PUMP = { merchant: { acceptor_id: 'P-1', descriptor: 'PUMP 7', city: 'BERLIN', country: 'DEU', mcc: '5542' } };

  test.each([17_501, 20_000, 17_500, 4_321, 101, 100, 99, 50, 1])(
    'holds the total that it tells: %p',
    async (cents) => {
      const holder = await network.cardholder();
      const purchase = holder.purchase(PUMP);
      await purchase.ask(100);
      await purchase.tell('AUTHORIZATION_ADVICE', cents, { ...ADVICE, holdLeft: cents });
      const books = await holder.books(purchase);
      expect(books).toMatchObject({
        state: 'pending',
        held: BigInt(cents),
        free: 500n * USDC - BigInt(cents) * 10_000n,
        counted: [String(cents), 1],
      });
      expect(books.approved - books.reversed).toBe(BigInt(cents));
      await purchase.tell('CLEARING', cents);
      expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, overdue: 0n });
    },
  );

  test('holds one total after the other', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase(PUMP);
    await purchase.ask(100);
    for (const cents of [80, 20_000, 3_000, 17_600]) {
      await purchase.tell('AUTHORIZATION_ADVICE', cents, { ...ADVICE, holdLeft: cents });
      expect(await holder.books(purchase)).toMatchObject({ held: BigInt(cents), counted: [String(cents), 1] });
    }
  });

  test('keeps what there is for a total that the account does not cover', async () => {
    const holder = await network.cardholder({ funds: { USDC: 180n * USDC } });
    const purchase = holder.purchase(PUMP);
    await purchase.ask(100);
    await purchase.tell('AUTHORIZATION_ADVICE', 20_000, { ...ADVICE, holdLeft: 20_000 });
    expect(await holder.books(purchase)).toMatchObject({ approved: 20_000n, held: 18_000n, free: 0n });
  });

  test('holds the fee on the total that it tells, once', async () => {
    const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 100 } });
    const abroad = { ...PUMP, merchantCurrency: { currency: 'EUR', perDollar: 1 } };
    const [more, less] = [holder.purchase(abroad), holder.purchase(abroad)];
    await more.ask(100);
    await more.tell('AUTHORIZATION_ADVICE', 20_000, { ...ADVICE, holdLeft: 20_000 });
    expect(await holder.books(more)).toMatchObject({ held: 20_200n });
    await more.tell('CLEARING', 20_000);
    await less.ask(100);
    await less.tell('AUTHORIZATION_ADVICE', 50, { ...ADVICE, holdLeft: 50 });
    const { held } = await holder.books(less);
    expect(held).toBe(50n);
  });
});

describe('what the account did not cover of a total', () => {
  test('goes first when it is lowered, so that all of what is left is covered', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(40_000);
    await purchase.tell('AUTHORIZATION_ADVICE', 70_000, { ...ADVICE, holdLeft: 70_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 60_000, { ...ADVICE, holdLeft: 60_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 50_000n, free: 0n, counted: ['60000', 1] });
    await purchase.tell('AUTHORIZATION_REVERSAL', 15_000, { holdLeft: 45_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 45_000n, free: 50n * USDC, counted: ['45000', 1] });
    await purchase.tell('CLEARING', 45_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', overdue: 0n, free: 50n * USDC });
  });

  test('goes first with the fee on it', async () => {
    const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 300 } });
    const purchase = holder.purchase({ merchantCurrency: { currency: 'EUR', perDollar: 1 } });
    await purchase.ask(40_000);
    await purchase.tell('AUTHORIZATION_ADVICE', 70_000, { ...ADVICE, holdLeft: 70_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 50_000n });
    await purchase.tell('AUTHORIZATION_REVERSAL', 21_600, { holdLeft: 48_400 });
    expect(await holder.books(purchase)).toMatchObject({ held: 49_852n, free: 1_480_000n });
    await purchase.tell('CLEARING', 48_400);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', overdue: 0n, fees: 1_452n });
  });

  test('goes first of what is left after a part was cleared', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('AUTHORIZATION_ADVICE', 70_000, { ...ADVICE, holdLeft: 70_000 });
    await purchase.tell('CLEARING', 30_000, { holdLeft: 40_000 });
    await purchase.tell('AUTHORIZATION_REVERSAL', 20_000, { holdLeft: 20_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 20_000n, free: 0n });
    await purchase.tell('CLEARING', 20_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', overdue: 0n });
  });
});
