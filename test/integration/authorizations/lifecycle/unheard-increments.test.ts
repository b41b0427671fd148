import type { Knex } from 'knex';
import { sweepUnheardIncrements } from '../../../../services/authorizations/sweep-unheard-increments';
import { readUnheardAnswers } from '../../../../services/authorizations/unheard-answers.repository';
import { voidUnheardIncrement } from '../../../../services/authorizations/void-unheard-increment';
import { createKnex } from '../../../../services/database/knex';
import type { RequestStanding, VendorOutcome } from '../../../../services/providers/processor/port';
import { required } from '../../../../services/shared/assert';
import { systemClock } from '../../../../services/shared/clock';
import { brokenBooks } from '../../../builders/books';
import { type Cardholder, type Lifecycle, type LithicPurchase, merchantOf, startLifecycle, USDC } from './network';

const SECOND = 1_000;
const NO_ANSWER: VendorOutcome<RequestStanding> = { kind: 'unknown', detail: 'no answer in time' };

let network: Lifecycle;
let workerKnex: Knex;
let asked: string[];
let said: Map<string, VendorOutcome<RequestStanding>>;

beforeAll(async () => {
  network = await startLifecycle();
  workerKnex = createKnex(network.tested.database.urls.escudo_worker, 4, 'unheard-increments-test-scan');
});

afterAll(async () => {
  await workerKnex.destroy();
  await network.end();
});

beforeEach(async () => {
  asked = [];
  said = new Map();
  await network.tested.sql.query("UPDATE authorization_amendments SET answer_state = 'counted', ask_at = NULL");
});

function processorSays(purchase: LithicPurchase, standing: RequestStanding): void {
  said.set(purchase.lastEventToken, { kind: 'ok', value: standing });
}

/** The worker's sweeper, so many seconds after the answer to the last increment was due. */
async function sweep(holder: Cardholder, seconds: number): Promise<number> {
  const asking = (await holder.rows('authorization_amendments')).filter((row) => row.respond_by !== null);
  const due = required(asking.at(-1), 'an increment').respond_by as Date;
  return sweepUnheardIncrements({
    knex: network.knex,
    workerKnex,
    clock: { now: () => new Date(due.getTime() + seconds * SECOND) },
    processor: {
      vendor: 'lithic',
      findRequest: async ({ messageId }) => {
        asked.push(messageId);
        return said.get(messageId) ?? NO_ANSWER;
      },
    },
  });
}

async function answerStates(holder: Cardholder): Promise<readonly unknown[]> {
  return (await holder.rows('authorization_amendments')).map((row) => row.answer_state);
}

async function sound(holder: Cardholder): Promise<void> {
  expect(await brokenBooks(network.tested.sql, holder.organizationId)).toEqual([]);
}

const COUNTERS = 'SELECT spend_counters FROM accounts WHERE organization_id = $1';

/** A purchase of 100.00 and an increment of 50.00 whose answer nobody waited for. */
async function unheard(options: Parameters<Lifecycle['cardholder']>[0] = {}, mcc = '5411') {
  const holder = await network.cardholder(options);
  const purchase = holder.purchase(merchantOf(mcc));
  await purchase.ask(10_000);
  const before = await holder.books(purchase);
  const countersBefore = (await network.tested.sql.query(COUNTERS, [holder.organizationId])).rows;
  await purchase.askAndHangUp(5_000);
  return {
    holder,
    purchase,
    before,
    counters: async () => (await network.tested.sql.query(COUNTERS, [holder.organizationId])).rows,
    countersBefore,
  };
}

test('an increment whose answer was handed over is not asked after', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  expect(await purchase.ask(5_000)).toEqual({ result: 'APPROVED' });
  for (let tries = 0; tries < 200 && (await answerStates(holder))[0] === 'awaited'; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(await answerStates(holder)).toEqual(['given']);
  expect(await sweep(holder, 600)).toBe(0);
  expect(asked).toEqual([]);
});

test('one that the processor did not approve is given back wholly, and said so once; what was approved before stays', async () => {
  const { holder, purchase, before, counters, countersBefore } = await unheard();
  expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_000n, counted: ['15000', 1] });
  processorSays(purchase, 'declined');

  expect(await sweep(holder, 4)).toBe(0);
  expect(asked).toEqual([]);
  expect(await sweep(holder, 6)).toBe(1);
  expect(await holder.books(purchase)).toEqual({ ...before, approved: 15_000n, reversed: 5_000n });
  expect(await counters()).toEqual(countersBefore);
  expect(await answerStates(holder)).toEqual(['taken_back']);

  expect(await sweep(holder, 600)).toBe(0);
  expect(asked).toEqual([purchase.lastEventToken]);
  const { rows } = await network.tested.sql.query(
    "SELECT data->>'reason' AS reason FROM events WHERE organization_id = $1 AND type = 'authorization.reversed'",
    [holder.organizationId],
  );
  expect(rows).toEqual([{ reason: 'answer_not_heard' }]);
  expect(await purchase.ask(0, { body: purchase.lastBody })).toEqual({ result: 'DO_NOT_HONOR' });
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 10_000n, free: 400n * USDC });
  await sound(holder);
});

test('one that the processor counts stays held', async () => {
  const { holder, purchase } = await unheard();
  processorSays(purchase, 'approved');
  expect(await sweep(holder, 6)).toBe(1);
  expect(await answerStates(holder)).toEqual(['counted']);
  expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_000n });
  expect(await purchase.ask(0, { body: purchase.lastBody })).toEqual({ result: 'APPROVED' });
});

test('a processor that has no record of it is given time to have one', async () => {
  const { holder, purchase, before } = await unheard();
  processorSays(purchase, 'not_recorded');
  expect(await sweep(holder, 6)).toBe(0);
  expect(await holder.books(purchase)).toMatchObject({ held: 15_000n });
  expect(await sweep(holder, 21)).toBe(1);
  expect((await holder.books(purchase)).free).toBe(before.free);
  await sound(holder);
});

test('a processor that cannot tell is asked ever more patiently, and meanwhile it stays held', async () => {
  const { holder, purchase } = await unheard();
  const times: number[] = [];
  for (let second = 6; second <= 120; second += 1) {
    const soFar = asked.length;
    await sweep(holder, second);
    if (asked.length > soFar) times.push(second);
  }
  expect(times).toEqual([6, 11, 21, 41, 81]);
  expect(await readUnheardAnswers(workerKnex)).toMatchObject({ increment: { waiting: 1 }, first: { waiting: 0 } });
  expect(await holder.books(purchase)).toMatchObject({ held: 15_000n });
  processorSays(purchase, 'declined');
  expect(await sweep(holder, 600)).toBe(1);
  expect(await readUnheardAnswers(workerKnex)).toMatchObject({ increment: { waiting: 0, oldestAgeMs: 0 } });
  expect(await holder.books(purchase)).toMatchObject({ held: 10_000n });
});

const EXTRAS: readonly (readonly [string, Parameters<Lifecycle['cardholder']>[0], string])[] = [
  ['a tip is allowed for', { policy: { hold_allowance_bps: { restaurants: 2_000 } } }, '5812'],
  ['a fee is held', { policy: { cash_withdrawal_fee: { fixed: '300', bps: 150 } } }, '6011'],
  ['the price may move', { policy: { conversion_buffer_bps: 50 } }, '5411'],
];

test.each(EXTRAS)('just what it held goes back where %s', async (_, options, mcc) => {
  const { holder, purchase, before } = await unheard(options, mcc);
  expect((await holder.books(purchase)).held).toBeGreaterThan(before.held);
  processorSays(purchase, 'declined');
  await sweep(holder, 6);
  const after = await holder.books(purchase);
  expect({ held: after.held, free: after.free }).toEqual({ held: before.held, free: before.free });
  await sound(holder);
});

describe('and the network speaks meanwhile', () => {
  const notHeard = {
    result: 'UNKNOWN_HOST_TIMEOUT',
    detailedResults: ['CUSTOMER_ASA_TIMEOUT'],
    holdLeft: 10_000,
  };

  test('its own word that it did not hear us: given back once, whichever comes first', async () => {
    for (const sweptFirst of [true, false]) {
      const { holder, purchase, before } = await unheard();
      processorSays(purchase, 'declined');
      const tell = () => purchase.tell('AUTHORIZATION', 5_000, { ...notHeard, token: purchase.lastEventToken });
      if (sweptFirst) await sweep(holder, 6);
      await tell();
      expect(await sweep(holder, 6)).toBe(0);
      expect(await holder.books(purchase)).toEqual({ ...before, approved: 15_000n, reversed: 5_000n });
      expect(await answerStates(holder)).toEqual(['taken_back']);
      expect(await purchase.ask(0, { body: purchase.lastBody })).toEqual({ result: 'DO_NOT_HONOR' });
      await sound(holder);
    }
  });

  test('a total that it tells has the increment in it', async () => {
    const { holder, purchase } = await unheard();
    processorSays(purchase, 'declined');
    await purchase.tell('AUTHORIZATION_ADVICE', 12_000, { polarity: 'DEBIT', holdLeft: 12_000 });
    expect(await sweep(holder, 6)).toBe(1);
    expect(await answerStates(holder)).toEqual(['overtaken', null]);
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 12_000n, counted: ['12000', 1] });
  });

  test('a reversal of what it knows of leaves only the increment, which goes back with the purchase', async () => {
    const { holder, purchase } = await unheard();
    processorSays(purchase, 'declined');
    await purchase.tell('AUTHORIZATION_REVERSAL', 10_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 5_000n });
    expect(await sweep(holder, 6)).toBe(1);
    expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, free: 500n * USDC });
    await sound(holder);
  });

  test('a part that it clears comes from the whole; what it did not approve goes back all the same', async () => {
    const { holder, purchase } = await unheard();
    processorSays(purchase, 'declined');
    await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
    expect(await sweep(holder, 6)).toBe(1);
    expect(await holder.books(purchase)).toMatchObject({ state: 'partially_cleared', held: 6_000n, cleared: 4_000n });
    await purchase.tell('CLEARING', 6_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 10_000n, free: 400n * USDC });
    await sound(holder);
  });

  test('a last clearing or an expiry has given it back already', async () => {
    for (const end of ['CLEARING', 'AUTHORIZATION_EXPIRY']) {
      const { holder, purchase } = await unheard();
      await purchase.tell(end, 10_000);
      const before = await holder.books(purchase);
      expect(await sweep(holder, 6)).toBe(1);
      expect(asked).toEqual([]);
      expect(await answerStates(holder)).toEqual(['overtaken']);
      expect(await holder.books(purchase)).toEqual(before);
    }
  });

  test('what opens an ended purchase again is not taken for what was never heard before', async () => {
    const { holder, purchase } = await unheard();
    processorSays(purchase, 'declined');
    const unheardToken = purchase.lastEventToken;
    await purchase.tell('CLEARING', 10_000);
    await purchase.tell('AUTHORIZATION_ADVICE', 13_000, { polarity: 'DEBIT', holdLeft: 3_000 });
    expect(await sweep(holder, 6)).toBe(0);
    expect(await holder.books(purchase)).toMatchObject({ state: 'partially_cleared', held: 3_000n });
    // Nor when the network says so of it only now.
    await purchase.tell('AUTHORIZATION', 5_000, { ...notHeard, token: unheardToken, holdLeft: 3_000 });
    expect(await holder.books(purchase)).toMatchObject({ state: 'partially_cleared', held: 3_000n });
    await sound(holder);
  });

  test('a clearing at the same moment posts in full, whichever comes first', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { holder, purchase } = await unheard();
      const [row] = await holder.rows('authorization_amendments');
      const increment = required(row, 'increment') as unknown as Parameters<typeof voidUnheardIncrement>[1];
      const tasks: (() => Promise<unknown>)[] = [
        () => voidUnheardIncrement({ knex: network.knex, clock: systemClock }, increment),
        () => purchase.tell('CLEARING', 10_000),
      ];
      await Promise.all((round % 2 === 0 ? tasks : tasks.reverse()).map((task) => task()));
      expect(await holder.books(purchase)).toMatchObject({
        state: 'cleared',
        held: 0n,
        cleared: 10_000n,
        owedToNetwork: 10_000n,
        free: 400n * USDC,
      });
      await sound(holder);
    }
  });
});

test('two workers at once ask and give back once', async () => {
  const { holder, purchase, before } = await unheard();
  processorSays(purchase, 'declined');
  const settled = await Promise.all([sweep(holder, 6), sweep(holder, 6), sweep(holder, 6)]);
  expect(settled.sort()).toEqual([0, 0, 1]);
  expect(asked).toHaveLength(1);
  const [row] = await holder.rows('authorization_amendments');
  const increment = required(row, 'increment') as unknown as Parameters<typeof voidUnheardIncrement>[1];
  const again = await Promise.all(
    [1, 2, 3].map(() => voidUnheardIncrement({ knex: network.knex, clock: systemClock }, increment)),
  );
  expect(again).toEqual([{ kind: 'settled' }, { kind: 'settled' }, { kind: 'settled' }]);
  expect((await holder.books(purchase)).held).toBe(before.held);
  await sound(holder);
});

test('a purchase that came to nothing and was asked for again is ended as before when that was not heard', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION', 10_000, {
    result: 'UNKNOWN_HOST_TIMEOUT',
    polarity: 'DEBIT',
    token: purchase.lastEventToken,
  });
  await purchase.askAndHangUp(5_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 5_000n });
  processorSays(purchase, 'declined');
  expect(await sweep(holder, 6)).toBe(1);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'reversed',
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
  await sound(holder);
});
