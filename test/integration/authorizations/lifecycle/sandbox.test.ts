import { setTimeout as delay } from 'node:timers/promises';
import request from 'supertest';
import { fundsOf } from '../../../../services/ledger/account-refs';
import { parseId } from '../../../../services/shared/ids';
import { type SimulatedNetwork, startSimulatedNetwork } from '../../../builders/simulated-network';
import { deposit } from '../../../builders/spending-world';
import { seedAccount } from '../../http/seed-everything';
import { type Books, type Cardholder, cardholderOf, type Lifecycle, startLifecycle, USDC } from './network';

let vendor: SimulatedNetwork;
let network: Lifecycle;
let key: string;
let cardId: string;
let holder: Cardholder;
let sent = 0;

beforeAll(async () => {
  vendor = await startSimulatedNetwork();
  network = await startLifecycle(vendor.environment);
  const { tested, knex } = network;
  await vendor.connect(tested, 'told');

  // Prices and reserves come with any world.
  await network.cardholder();
  const organization = await tested.createOrganization('sandbox');
  key = organization.key;
  const seeded = await seedAccount(tested.sql, { url: tested.url, key });
  cardId = seeded.card;
  const uuid = (kind: 'organization' | 'program' | 'account' | 'cardholder' | 'card', id: string): string => {
    const parsed = parseId(kind, id);
    if (!parsed.ok) throw new Error(id);
    return parsed.value;
  };
  const seededCardId = uuid('card', seeded.card);
  const account = {
    accountId: uuid('account', seeded.account),
    cardholderId: uuid('cardholder', seeded.cardholder),
    cardId: seededCardId,
    cardToken: await vendor.issue(tested.sql, seededCardId),
  };
  const organizationId = uuid('organization', organization.id);
  holder = cardholderOf(tested, knex, organizationId, uuid('program', seeded.program), account);
  await deposit(tested.sql, organizationId, [account], 'USDC', 5_000n * USDC, (accountId) =>
    fundsOf(accountId, 'USDC'),
  );
});

afterAll(async () => {
  await network.end();
  await vendor.close();
});

async function simulate(path: string, body: object) {
  sent += 1;
  const answer = await request(network.tested.url)
    .post(`/v1/simulate/${path}`)
    .set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': `sandbox-${sent}` })
    .send(body);
  if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
  return answer.body;
}

const usd = (amount: string) => ({ amount, asset: 'USD' });

/** Webhooks come by themselves: waits until the books of the purchase are as expected, and fails with what they are. */
async function settled(answer: { processor_authorization_id: string }, expected: Partial<Books>): Promise<void> {
  const purchase = { token: answer.processor_authorization_id };
  for (let tries = 0; tries < 100; tries += 1) {
    const books = await holder.books(purchase);
    if (Object.entries(expected).every(([name, value]) => books[name as keyof Books] === value)) return;
    await delay(100);
  }
  expect(await holder.books(purchase)).toMatchObject(expected);
}

test('a purchase with an increment, partial clearings and a closing flag', async () => {
  const first = await simulate('authorizations', { card_id: cardId, amount: usd('100.00') });
  expect(first).toMatchObject({ outcome: 'approved', approved: usd('100.00') });
  const more = await simulate('increments', { authorization_id: first.authorization_id, amount: usd('50.00') });
  expect(more).toMatchObject({ outcome: 'approved', approved: usd('50.00'), authorization_id: first.authorization_id });
  await simulate('clearings', { authorization_id: first.authorization_id, amount: usd('60.00') });
  await settled(first, { state: 'partially_cleared', cleared: 6_000n });
  await simulate('clearings', { authorization_id: first.authorization_id, amount: usd('70.00'), final: true });
  await settled(first, { state: 'cleared', approved: 15_000n, cleared: 13_000n, held: 0n });
});

test('a total that is advised, and a purchase that nobody asked about', async () => {
  const first = await simulate('authorizations', { card_id: cardId, amount: usd('20.00') });
  await simulate('advices', { authorization_id: first.authorization_id, amount: usd('35.00') });
  await settled(first, { state: 'pending', approved: 3_500n });
  const offline = await simulate('offline-purchases', {
    card_id: cardId,
    amount: usd('12.00'),
    channel: 'contactless',
  });
  await settled(offline, { state: 'pending', approved: 1_200n });
});

test('cash from a machine in one message, cash at the till, another currency, a card check', async () => {
  const machine = await simulate('authorizations', {
    card_id: cardId,
    amount: usd('80.00'),
    channel: 'atm',
    merchant: { mcc: '6011' },
    single_message: true,
    cash_amount: usd('80.00'),
  });
  await settled(machine, { state: 'cleared', cleared: 8_000n, held: 0n });
  const till = await simulate('authorizations', { card_id: cardId, amount: usd('40.00'), cash_amount: usd('15.00') });
  const euros = await simulate('authorizations', {
    card_id: cardId,
    amount: usd('110.00'),
    merchant_amount: { minor_units: '10000', currency: 'EUR' },
  });
  const check = await simulate('authorizations', { card_id: cardId, amount: usd('0.00'), avs: 'match' });
  const shown = (answer: { authorization_id: string }) =>
    request(network.tested.url)
      .get(`/v1/authorizations/${answer.authorization_id}`)
      .set('Authorization', `Bearer ${key}`);
  expect((await shown(machine)).body).toMatchObject({ kind: 'cash_withdrawal', state: 'cleared', fee: usd('0.00') });
  expect((await shown(till)).body).toMatchObject({ kind: 'authorization', cash: usd('15.00') });
  expect((await shown(euros)).body).toMatchObject({
    requested: usd('110.00'),
    merchant_amount: { minor_units: '10000', currency: 'EUR' },
  });
  expect((await shown(check)).body).toMatchObject({
    kind: 'zero_amount_verification',
    avs: 'match',
    hold: usd('0.00'),
  });
});

test('a refund that is authorized first, paid, and taken back', async () => {
  const asked = await simulate('refund-authorizations', { card_id: cardId, amount: usd('25.00') });
  expect(asked).toMatchObject({ outcome: 'approved' });
  await simulate('clearings', { authorization_id: asked.authorization_id });
  await settled(asked, { refunded: 2_500n });
  await simulate('refund-reversals', { processor_authorization_id: asked.processor_authorization_id });
  await settled(asked, { refunded: 0n });
});
