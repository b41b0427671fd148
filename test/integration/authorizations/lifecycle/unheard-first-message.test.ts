import type { Knex } from 'knex';
import { sweepUnheardAnswers } from '../../../../services/authorizations/sweep-unheard-answers';
import { voidUnheardAuthorization } from '../../../../services/authorizations/void-unheard-authorization';
import { createKnex } from '../../../../services/database/knex';
import { newId } from '../../../../services/database/new-id';
import type { Lithic } from '../../../../services/providers/processor/lithic';
import type { SandboxAnswer, VendorOutcome } from '../../../../services/providers/processor/port';
import { required } from '../../../../services/shared/assert';
import { systemClock } from '../../../../services/shared/clock';
import { brokenBooks } from '../../../builders/books';
import { type SimulatedNetwork, startSimulatedNetwork } from '../../../builders/simulated-network';
import { type Cardholder, type Lifecycle, startLifecycle } from './network';

const SECOND = 1_000;

let vendor: SimulatedNetwork;
let network: Lifecycle;
let workerKnex: Knex;
let lithic: Lithic;
let holder: Cardholder;

beforeAll(async () => {
  vendor = await startSimulatedNetwork();
  ({ lithic } = vendor);
  network = await startLifecycle(vendor.environment);
  // Its events reach nobody: what became of a request is known only to whoever asks.
  await vendor.connect(network.tested, 'untold');
  workerKnex = createKnex(network.tested.database.urls.escudo_worker, 4, 'unheard-first-test-scan');
});

afterAll(async () => {
  await workerKnex.destroy();
  await network.end();
  await vendor.close();
});

beforeEach(async () => {
  holder = await network.cardholder();
  holder = { ...holder, cardToken: await vendor.issue(network.tested.sql, holder.cardId) };
});

const loseNextAnswer = () => vendor.call('/sim/faults', { match: 'asa', lose_reply_times: 1 });

function heard(answer: VendorOutcome<SandboxAnswer>): SandboxAnswer {
  if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
  return answer.value;
}

/** A purchase of 100.00 that we approved; the network heard that, or did not and declined it for itself. */
async function first(how: 'heard' | 'unheard') {
  if (how === 'unheard') await loseNextAnswer();
  const answer = heard(await lithic.sandbox.authorize({ cardToken: holder.cardToken, amount: 10_000n }));
  expect(answer.outcome).toBe(how === 'heard' ? 'approved' : 'declined');
  const purchase = { token: answer.processorAuthorizationId };
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', approved: 10_000n, held: 10_000n });
  return { ...purchase, reference: { processorAuthorizationId: purchase.token } };
}

/** Asks the sweeper after the first message of the purchase, as if the process had died that answered it. */
async function sweep(): Promise<number> {
  const { sql } = network.tested;
  await sql.query('UPDATE outbox_batches SET answered_at = now() WHERE answered_at IS NULL');
  const authorization = required((await holder.rows('authorizations'))[0], 'the purchase');
  await sql.query('INSERT INTO outbox_batches (id, holds, respond_by) VALUES ($1, $2, now())', [
    newId(),
    JSON.stringify([[holder.organizationId, authorization.id]]),
  ]);
  return sweepUnheardAnswers({
    knex: network.knex,
    workerKnex,
    clock: { now: () => new Date(Date.now() + 6 * SECOND) },
    processor: lithic.processor,
  });
}

const sound = async () => expect(await brokenBooks(network.tested.sql, holder.organizationId)).toEqual([]);

test('one that was not heard goes back alone where an increment of the same purchase was heard', async () => {
  const purchase = await first('unheard');
  expect(heard(await lithic.sandbox.increment({ ...purchase.reference, amount: 5_000n })).outcome).toBe('approved');
  expect(await holder.books(purchase)).toMatchObject({ held: 15_000n, counted: ['15000', 1] });

  expect(await sweep()).toBe(1);
  const after = await holder.books(purchase);
  expect(after).toMatchObject({ state: 'pending', approved: 15_000n, reversed: 10_000n, held: 5_000n });
  expect(after.counted).toEqual(['5000', 1]);

  // Asked after again, it is given back once.
  expect(await sweep()).toBe(1);
  expect(await holder.books(purchase)).toEqual(after);
  await sound();
});

test('one that was not heard goes back where a clearing of the same purchase went through that nobody has told us of', async () => {
  const purchase = await first('unheard');
  const before = await holder.books(purchase);
  await vendor.call('/sim/clearing', { token: purchase.token, amount: 3_000 });
  expect(await sweep()).toBe(1);
  expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, counted: ['0', 0] });
  expect((await holder.books(purchase)).free).toBeGreaterThan(before.free);
  await sound();
});

test('one that was heard stays held where a later message of the same purchase was not', async () => {
  const purchase = await first('heard');
  await loseNextAnswer();
  expect(heard(await lithic.sandbox.increment({ ...purchase.reference, amount: 5_000n })).outcome).toBe('declined');
  const before = await holder.books(purchase);
  expect(before).toMatchObject({ held: 15_000n });
  expect(await sweep()).toBe(1);
  expect(await holder.books(purchase)).toEqual(before);
});

test('one that the network stood in for stays held', async () => {
  await vendor.call('/sim/settings', { stand_in: 'approve' });
  try {
    await loseNextAnswer();
    const answer = heard(await lithic.sandbox.authorize({ cardToken: holder.cardToken, amount: 10_000n }));
    expect(await sweep()).toBe(1);
    const purchase = { token: answer.processorAuthorizationId };
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n });
  } finally {
    await vendor.call('/sim/settings', { stand_in: 'decline' });
  }
});

test('one that was not heard goes back wholly where nothing followed', async () => {
  const purchase = await first('unheard');
  expect(await sweep()).toBe(1);
  expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, counted: ['0', 0] });
  await sound();
});

describe('and the network says so itself', () => {
  const notHeard = { result: 'UNKNOWN_HOST_TIMEOUT', detailedResults: ['CUSTOMER_ASA_TIMEOUT'] };

  // A card of our own making: the network is played by the test.
  beforeEach(async () => {
    holder = await network.cardholder();
  });

  const giveUp = async () =>
    voidUnheardAuthorization(
      { knex: network.knex, clock: systemClock },
      {
        organizationId: holder.organizationId,
        authorizationId: String(required((await holder.rows('authorizations'))[0], 'the purchase').id),
        standing: 'declined',
      },
    );

  test.each([true, false])(
    'it is given back once, also with an increment on top; swept first: %p',
    async (sweptFirst) => {
      const purchase = holder.purchase();
      await purchase.ask(10_000);
      const { lastEventToken: token, lastBody: body } = purchase;
      await purchase.ask(5_000);
      if (sweptFirst) expect(await giveUp()).toEqual({ kind: 'voided' });
      await purchase.tell('AUTHORIZATION', 10_000, { ...notHeard, token, holdLeft: 5_000 });
      const after = await holder.books(purchase);
      expect(after).toMatchObject({ state: 'pending', reversed: 10_000n, held: 5_000n, counted: ['5000', 1] });
      expect(await giveUp()).toEqual({ kind: 'ended' });
      expect(await holder.books(purchase)).toEqual(after);
      expect(await purchase.ask(0, { body })).toEqual({ result: 'DO_NOT_HONOR' });
      await purchase.tell('CLEARING', 5_000);
      expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, owedToNetwork: 5_000n });
      await sound();
    },
  );

  test.each([6_000, 0])(
    'it is given back whole, with what it holds, whatever amount the event names: %p',
    async (named) => {
      const purchase = holder.purchase();
      await purchase.ask(10_000);
      await purchase.tell('AUTHORIZATION', named, { ...notHeard, token: purchase.lastEventToken, holdLeft: 0 });
      expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', reversed: 10_000n, held: 0n });
      await sound();
    },
  );

  test('what opens an ended purchase again is not taken for what it began with', async () => {
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    const { lastEventToken: token } = purchase;
    await purchase.tell('AUTHORIZATION_REVERSAL', 10_000);
    await purchase.tell('AUTHORIZATION_ADVICE', 5_000, { polarity: 'DEBIT', holdLeft: 5_000 });
    const before = await holder.books(purchase);
    expect(before).toMatchObject({ state: 'pending', held: 5_000n });
    expect(await giveUp()).toEqual({ kind: 'confirmed' });
    await purchase.tell('AUTHORIZATION', 10_000, { ...notHeard, token, holdLeft: 5_000 });
    expect(await holder.books(purchase)).toEqual(before);
    await sound();
  });

  test('a clearing at the same moment posts in full, and what is approved on top stays, whichever comes first', async () => {
    for (let round = 0; round < 4; round += 1) {
      holder = await network.cardholder();
      const purchase = holder.purchase();
      await purchase.ask(10_000);
      await purchase.ask(5_000);
      const tasks: (() => Promise<unknown>)[] = [giveUp, () => purchase.tell('CLEARING', 2_000, { holdLeft: 3_000 })];
      await Promise.all((round % 2 === 0 ? tasks : tasks.reverse()).map((task) => task()));
      expect(await holder.books(purchase)).toMatchObject({ cleared: 2_000n, reversed: 10_000n, held: 3_000n });
      await sound();
    }
  });
});
