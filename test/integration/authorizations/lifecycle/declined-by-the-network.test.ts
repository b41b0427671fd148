import { randomUUID } from 'node:crypto';
import { brokenBooks } from '../../../builders/books';
import { CASH_MACHINE, type Cardholder, type Lifecycle, LithicPurchase, startLifecycle, USDC } from './network';

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

/** As the processor tells that it declined, in its own words. */
const declined = (result: string, token: string, holdLeft = 0) => ({
  token,
  result,
  detailedResults: [result],
  polarity: 'DEBIT' as const,
  holdLeft,
});

const sound = async (holder: Cardholder) =>
  expect(await brokenBooks(network.tested.sql, holder.organizationId)).toEqual([]);

const wakings = async (holder: Cardholder) =>
  (await holder.rows('outbox_commands')).filter((row) => row.workflow_type === 'spendAuthorization').length;

const REASONS = [
  'DECLINED',
  'INSUFFICIENT_FUNDS',
  'FRAUD_ADVICE',
  'ACCOUNT_PAUSED',
  'NETWORK_ERROR',
  'GLOBAL_TRANSACTION_LIMIT',
  'A_WORD_OF_TOMORROW',
];

describe('we approved, the processor declined for a reason of its own', () => {
  test.each(REASONS)('%s: nothing stays held or counted', async (reason) => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    const { lastEventToken: token, lastBody: body } = purchase;
    await purchase.tell('AUTHORIZATION', 10_000, declined(reason, token));
    const after = await holder.books(purchase);
    expect(after).toMatchObject({ state: 'reversed', held: 0n, free: 500n * USDC, counted: ['0', 0] });
    await purchase.repeat();
    expect(await holder.books(purchase)).toEqual(after);
    expect(await holder.told()).toEqual(['authorization.approved', 'authorization.reversed']);
    // What is no longer held is not approved again either.
    expect(await purchase.ask(0, { body })).toEqual({ result: 'DO_NOT_HONOR' });
    await sound(holder);
  });

  test('an increment: what was approved before stays', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.ask(5_000);
    await purchase.tell('AUTHORIZATION', 5_000, declined('DECLINED', purchase.lastEventToken, 10_000));
    expect(await holder.books(purchase)).toMatchObject({
      state: 'pending',
      reversed: 5_000n,
      held: 10_000n,
      counted: ['10000', 1],
    });
    await sound(holder);
  });

  test('an increment of nothing: there is nothing to tell of', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.ask(0);
    const told = await holder.told();
    await purchase.tell('AUTHORIZATION', 0, declined('DECLINED', purchase.lastEventToken, 10_000));
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', reversed: 0n, held: 10_000n });
    expect(await holder.told()).toEqual(told);
  });

  test('a single message', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase(CASH_MACHINE);
    await purchase.ask(10_000, { status: 'FINANCIAL_AUTHORIZATION' });
    await purchase.tell('FINANCIAL_AUTHORIZATION', 10_000, declined('DECLINED', purchase.lastEventToken));
    expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, free: 500n * USDC });
    await sound(holder);
  });

  test('unless the network went ahead all the same: its advice in the same delivery keeps the hold', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.tell('AUTHORIZATION', 10_000, {
      ...declined('DECLINED', purchase.lastEventToken),
      untold: true,
    });
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n });
  });
});

describe('our own decline, told back, changes nothing', () => {
  test('of a first message', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    expect(await purchase.ask(50_001)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
    const { lastEventToken: token, lastBody: body } = purchase;
    const before = await holder.books(purchase);
    const woken = await wakings(holder);
    await purchase.tell('AUTHORIZATION', 50_001, declined('INSUFFICIENT_FUNDS', token));
    expect(await holder.books(purchase)).toEqual(before);
    expect(await holder.told()).toEqual(['authorization.declined']);
    expect(await wakings(holder)).toBe(woken);
    expect(await purchase.ask(0, { body })).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  });

  test('of a first message on which more was approved since', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(50_001);
    const { lastEventToken: token } = purchase;
    expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
    const before = await holder.books(purchase);
    expect(before).toMatchObject({ state: 'pending', held: 10_000n });
    await purchase.tell('AUTHORIZATION', 50_001, declined('INSUFFICIENT_FUNDS', token, 10_000));
    expect(await holder.books(purchase)).toEqual(before);
    await sound(holder);
  });

  test('of a check of no amount on which more was approved since', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(0);
    const { lastEventToken: token } = purchase;
    await purchase.ask(10_000);
    const before = await holder.books(purchase);
    expect(before).toMatchObject({ state: 'pending', held: 10_000n });
    await purchase.tell('AUTHORIZATION', 0, declined('AVS_INVALID', token, 10_000));
    expect(await holder.books(purchase)).toEqual(before);
  });

  test('of an increment: its repetition has the same answer as before', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    expect(await purchase.ask(50_000)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
    const { lastEventToken: token, lastBody: body } = purchase;
    const told = await holder.told();
    const woken = await wakings(holder);
    await purchase.tell('AUTHORIZATION', 50_000, declined('INSUFFICIENT_FUNDS', token, 10_000));
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', reversed: 0n, held: 10_000n });
    expect(await holder.told()).toEqual(told);
    expect(await wakings(holder)).toBe(woken);
    expect(await purchase.ask(0, { body })).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  });

  test('on a card that is not ours, or in a currency that no card has, nobody is called', async () => {
    const holder = await network.cardholder();
    const stranger = new LithicPurchase(network.tested, { ...holder, cardToken: randomUUID() });
    await stranger.tell('AUTHORIZATION', 10_000, declined('DECLINED', stranger.token));
    const purchase = holder.purchase();
    await purchase.tell('AUTHORIZATION', 10_000, { ...declined('DECLINED', purchase.token), currency: 'EUR' });
    for (const { token } of [stranger, purchase]) {
      const { rows } = await network.tested.sql.query(
        "SELECT state FROM inbox_messages WHERE convert_from(raw, 'UTF8') LIKE $1",
        [`%${token}%`],
      );
      expect(rows).toEqual([{ state: 'processed' }]);
    }
  });
});

describe('a decline that we were never asked about', () => {
  test('says nothing of the next message of the same purchase', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('AUTHORIZATION', 10_000, declined('INCORRECT_PIN', randomUUID()));
    expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n });
  });

  test('but a request that was declined before it reached us is not approved any more', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('AUTHORIZATION', 10_000, declined('DECLINED', purchase.token));
    expect(await purchase.ask(10_000, { eventToken: purchase.token })).toEqual({ result: 'DO_NOT_HONOR' });
    expect(await holder.books(purchase)).toMatchObject({ held: 0n, free: 500n * USDC });
  });
});

test('a reversal of nothing is on record, and nobody is told that anything was given back', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(5_000);
  await purchase.tell('AUTHORIZATION_REVERSAL', 0, { holdLeft: 5_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 5_000n });
  expect(await holder.told()).toEqual(['authorization.approved']);
});
