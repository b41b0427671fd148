import { randomUUID } from 'node:crypto';
import { type Cardholder, type Lifecycle, type LithicPurchase, startLifecycle, USDC } from './network';
import { openReceiptDesk } from './receipt-desk';

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

const BEGAN = Date.now() - 3_600_000;

/** A minute of the network's clock, an hour ago: what is told is ordered by it, whenever it is delivered. */
function minute(n: number): Date {
  return new Date(BEGAN + n * 60_000);
}

function asked(n: number) {
  return { overrides: { created: minute(n).toISOString() } };
}

/** 100.00 asked for in the first minute, and 50.00 more in the fifth. */
async function incremented(): Promise<{ readonly holder: Cardholder; readonly purchase: LithicPurchase }> {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  expect(await purchase.ask(10_000, asked(1))).toEqual({ result: 'APPROVED' });
  expect(await purchase.ask(5_000, asked(5))).toEqual({ result: 'APPROVED' });
  return { holder, purchase };
}

const ADVICE = { polarity: 'DEBIT' } as const;

describe('what was approved on top since stays, whenever it is told', () => {
  test('that the purchase had run out before', async () => {
    const { holder, purchase } = await incremented();
    await purchase.tell('AUTHORIZATION_EXPIRY', 10_000, { at: minute(3), holdLeft: 5_000 });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'pending',
      reversed: 10_000n,
      held: 5_000n,
      free: 450n * USDC,
      counted: ['5000', 1],
    });
    await purchase.tell('CLEARING', 5_000, { at: minute(7) });
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, owedToNetwork: 5_000n });
  });

  test('that all of it had been reversed, also where more is named than was left', async () => {
    const { holder, purchase } = await incremented();
    await purchase.tell('CLEARING', 6_000, { at: minute(2), holdLeft: 4_000 });
    await purchase.tell('AUTHORIZATION_REVERSAL', 10_000, { at: minute(3), holdLeft: 5_000 });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'partially_cleared',
      cleared: 6_000n,
      reversed: 4_000n,
      held: 5_000n,
      counted: ['11000', 1],
    });
  });

  test.each([
    ['higher', 13_000, 18_000n],
    ['the same', 10_000, 15_000n],
    ['lower', 7_000, 12_000n],
    ['nothing', 0, 5_000n],
  ])('what it had come to before: %s', async (_, cents, held) => {
    const { holder, purchase } = await incremented();
    await purchase.tell('AUTHORIZATION_ADVICE', cents, { ...ADVICE, at: minute(3), holdLeft: Number(held) });
    const books = await holder.books(purchase);
    expect(books).toMatchObject({ state: 'pending', held, counted: [String(held), 1] });
    expect(books.approved - books.reversed).toBe(held);
    // The very same again, in the whole history.
    await purchase.repeat(undefined, Number(held));
    expect(await holder.books(purchase)).toEqual(books);
  });

  test('what it had come to before, until that is told which comes after it', async () => {
    const { holder, purchase } = await incremented();
    await purchase.tell('AUTHORIZATION_ADVICE', 7_000, { ...ADVICE, at: minute(3), holdLeft: 12_000 });
    await purchase.tell('AUTHORIZATION_ADVICE', 8_000, { ...ADVICE, at: minute(6), holdLeft: 8_000 });
    await purchase.tell('AUTHORIZATION_EXPIRY', 8_000, { at: minute(4), holdLeft: 8_000 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 8_000n, counted: ['8000', 1] });
  });

  test('that it had been cleared for the last time', async () => {
    const { holder, purchase } = await incremented();
    await purchase.tell('CLEARING', 8_000, { at: minute(3), holdLeft: 0 });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'partially_cleared',
      cleared: 8_000n,
      reversed: 2_000n,
      held: 5_000n,
      counted: ['13000', 1],
    });
    await purchase.tell('CLEARING', 5_000, { at: minute(7), holdLeft: 0 });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'cleared',
      cleared: 13_000n,
      held: 0n,
      owedToNetwork: 13_000n,
      counted: ['13000', 1],
    });
  });

  test('less what was given back and cleared of it since then', async () => {
    const { holder, purchase } = await incremented();
    await purchase.tell('AUTHORIZATION_REVERSAL', 1_000, { at: minute(6), holdLeft: 4_000 });
    await purchase.tell('CLEARING', 1_500, { at: minute(7), holdLeft: 2_500 });
    await purchase.tell('AUTHORIZATION_EXPIRY', 10_000, { at: minute(3), holdLeft: 2_500 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'partially_cleared', cleared: 1_500n, held: 2_500n });
  });

  test('but not what the network declined of it', async () => {
    const { holder, purchase } = await incremented();
    const declined = { token: purchase.lastEventToken, result: 'DECLINED', polarity: 'DEBIT', at: minute(5) } as const;
    await purchase.tell('AUTHORIZATION', 5_000, { ...declined, holdLeft: 10_000 });
    await purchase.tell('AUTHORIZATION_EXPIRY', 10_000, { at: minute(3) });
    expect(await holder.books(purchase)).toMatchObject({ state: 'expired', held: 0n, counted: ['0', 0] });
  });
});

describe('what is told counts from its own moment on', () => {
  test.each([
    ['AUTHORIZATION_EXPIRY', 'expired'],
    ['AUTHORIZATION_REVERSAL', 'reversed'],
  ])('of the same moment as more that was asked, what comes later is later: %s', async (type, state) => {
    const { holder, purchase } = await incremented();
    await purchase.tell(type, 15_000, { at: minute(5) });
    expect(await holder.books(purchase)).toMatchObject({ state, held: 0n, counted: ['0', 0] });
  });

  test('a total of before it was reversed does not open it again', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000, asked(1));
    await purchase.tell('AUTHORIZATION_REVERSAL', 14_000, { at: minute(3) });
    await purchase.tell('AUTHORIZATION_ADVICE', 14_000, { ...ADVICE, at: minute(2) });
    expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, counted: ['0', 0] });
    await purchase.tell('AUTHORIZATION_ADVICE', 2_000, { ...ADVICE, at: minute(4), holdLeft: 2_000 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 2_000n, counted: ['2000', 1] });
  });

  test.each([
    ['a part of it was reversed', 'AUTHORIZATION_REVERSAL', 4_000, 10_000n],
    ['it ran out', 'AUTHORIZATION_EXPIRY', 14_000, 0n],
    ['it was cleared for the last time', 'CLEARING', 6_000, 0n],
  ])('a total of before %s has that taken from it', async (_, type, cents, held) => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000, asked(1));
    await purchase.tell(type, cents, { at: minute(3), holdLeft: Number(held) });
    await purchase.tell('AUTHORIZATION_ADVICE', 14_000, { ...ADVICE, at: minute(2), holdLeft: Number(held) });
    expect(await holder.books(purchase)).toMatchObject({ held });
  });

  test('a purchase that begins with a total of before its reversal holds what that left', async () => {
    const holder = await network.cardholder();
    const [part, whole] = [holder.purchase(), holder.purchase()];
    await part.tell('AUTHORIZATION_REVERSAL', 4_000, { at: minute(3), holdLeft: 6_000 });
    await part.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(2), holdLeft: 6_000 });
    expect(await holder.books(part)).toMatchObject({ state: 'pending', held: 6_000n, counted: ['6000', 1] });
    await whole.tell('AUTHORIZATION_REVERSAL', 10_000, { at: minute(3) });
    await whole.tell('AUTHORIZATION_ADVICE', 10_000, { ...ADVICE, at: minute(2) });
    expect(await holder.books(whole)).toMatchObject({ state: null, held: 0n, counted: ['6000', 1] });
  });
});

describe('more that is asked for a purchase that is over', () => {
  const ENDS: readonly (readonly [string, (purchase: LithicPurchase) => Promise<void>, Record<string, unknown>])[] = [
    ['reversed', (purchase) => purchase.tell('AUTHORIZATION_REVERSAL', 10_000, { at: minute(3) }), {}],
    ['expired', (purchase) => purchase.tell('AUTHORIZATION_EXPIRY', 10_000, { at: minute(3) }), {}],
    ['cleared', (purchase) => purchase.tell('CLEARING', 8_000, { at: minute(3) }), { counted: ['8000', 1] }],
  ];

  test.each(ENDS.flatMap((end) => [[...end, 2] as const, [...end, 3] as const, [...end, 5] as const]))(
    'is declined where it was %s, asked before or after',
    async (state, end, expected, n) => {
      const holder = await network.cardholder();
      const purchase = holder.purchase();
      await purchase.ask(10_000, asked(1));
      await end(purchase);
      expect(await purchase.ask(5_000, asked(n))).toEqual({ result: 'DO_NOT_HONOR' });
      expect(await holder.books(purchase)).toMatchObject({ state, held: 0n, counted: ['0', 0], ...expected });
      expect(await holder.rows('authorization_amendments')).toMatchObject([
        { outcome: 'declined', decline_reason: 'purchase_ended', requested_amount: 5_000n, granted: 0n },
      ]);
      const desk = openReceiptDesk(network);
      try {
        expect((await desk.replayed(holder)).map(({ answer }) => answer)).toEqual(['same', 'same']);
      } finally {
        await desk.end();
      }
    },
  );

  test('is declined where our own deadline has passed', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000, asked(1));
    await network.tested.sql.query("UPDATE authorizations SET state = 'expired' WHERE organization_id = $1", [
      holder.organizationId,
    ]);
    expect(await purchase.ask(5_000, asked(3))).toEqual({ result: 'DO_NOT_HONOR' });
  });

  test('is decided where the network declined what it began with, as it is where we did', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000, asked(1));
    const declined = { token: purchase.lastEventToken, result: 'DECLINED', polarity: 'DEBIT', at: minute(1) } as const;
    await purchase.tell('AUTHORIZATION', 10_000, declined);
    expect(await purchase.ask(4_000, asked(2))).toEqual({ result: 'APPROVED' });
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 4_000n, counted: ['4000', 1] });
    await purchase.tell('AUTHORIZATION_REVERSAL', 4_000, { at: minute(3) });
    expect(await purchase.ask(4_000, { ...asked(4), eventToken: randomUUID() })).toEqual({ result: 'DO_NOT_HONOR' });
  });

  test('is decided where a clearing that is not the last has used up the hold, until its days have passed', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000, asked(1));
    await purchase.tell('CLEARING', 10_000, { at: minute(3), holdLeft: 2_000 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n });
    expect(await purchase.ask(1_000, asked(5))).toEqual({ result: 'APPROVED' });
    expect(await holder.books(purchase)).toMatchObject({ state: 'partially_cleared', held: 1_000n });
    await purchase.tell('CLEARING', 1_000, { at: minute(6), holdLeft: 2_000 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n });
    await network.tested.sql.query('UPDATE authorizations SET expires_at = now() WHERE organization_id = $1', [
      holder.organizationId,
    ]);
    expect(await purchase.ask(1_000, asked(7))).toEqual({ result: 'DO_NOT_HONOR' });
  });

  test('is no matter where nothing is asked: whether the card is good is decided as always', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000, asked(1));
    await purchase.tell('AUTHORIZATION_REVERSAL', 10_000, { at: minute(3) });
    expect(await purchase.ask(0, asked(4))).toEqual({ result: 'APPROVED' });
    expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n });
  });
});
