import { type Lifecycle, startLifecycle, USDC } from './network';

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
