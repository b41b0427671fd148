import type { Knex } from 'knex';
import { expireAuthorization } from '../../../../services/authorizations/expire-authorization';
import { followAuthorization } from '../../../../services/authorizations/follow-authorization';
import { voidUnheardAuthorization } from '../../../../services/authorizations/void-unheard-authorization';
import { createKnex } from '../../../../services/database/knex';
import { inOrganization } from '../../../../services/database/transaction';
import { fundingPolicyForMode } from '../../../../services/funding/rules/funding-policy';
import { networkReservedOf } from '../../../../services/ledger/account-refs';
import { balanceOf } from '../../../../services/ledger/ledger.repository';
import { required } from '../../../../services/shared/assert';
import { systemClock } from '../../../../services/shared/clock';
import { type Cardholder, type Lifecycle, merchantOf, startLifecycle, USDC } from './network';

const WETH = 10n ** 18n;
const AT_ONCE = { funding_at: 'authorization' } as const;

let network: Lifecycle;
let knex: Knex;

beforeAll(async () => {
  network = await startLifecycle();
  knex = createKnex(network.tested.database.urls.escudo_app, 4, 'funding-at-authorization-test');
});

afterAll(async () => {
  await knex.destroy();
  await network.end();
});

async function purchaseId(holder: Cardholder): Promise<string> {
  const [row] = await holder.rows('authorizations');
  return String(required(row, 'authorization').id);
}

/** What the purchase's workflow does when it looks at the rows. */
async function look(holder: Cardholder) {
  const { organizationId } = holder;
  return followAuthorization(
    { knex, clock: systemClock },
    { organizationId, authorizationId: await purchaseId(holder) },
    0,
  );
}

function reservedOf(holder: Cardholder): Promise<bigint> {
  return inOrganization(knex, holder.organizationId, (trx) =>
    balanceOf(trx, holder.organizationId, networkReservedOf(holder.programId)),
  );
}

/** Tokens that are to be bought back for the cardholder, and repaid. */
async function boughtBack(holder: Cardholder): Promise<bigint> {
  return (await holder.rows('repayments')).reduce((sum, row) => sum + BigInt(String(row.amount)), 0n);
}

const kinds = async (holder: Cardholder) => (await holder.rows('card_transactions')).map((row) => row.kind);

test('an approved purchase is sold for at once, and its clearing uses what was set aside', async () => {
  const holder = await network.cardholder({ policy: AT_ONCE });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  const work = await look(holder);
  expect(work).toMatchObject({ state: 'pending', done: false, postingsToFund: [{ workflowType: 'fundSale' }] });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    held: 0n,
    free: 400n * USDC,
    owedToNetwork: 0n,
  });
  expect(await reservedOf(holder)).toBe(10_000n);
  // Looking again funds nothing twice.
  expect((await look(holder)).postingsToFund).toEqual(work.postingsToFund);
  await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'partially_cleared',
    owedToNetwork: 4_000n,
    free: 400n * USDC,
  });
  expect(await reservedOf(holder)).toBe(6_000n);
  await purchase.tell('CLEARING', 6_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 10_000n,
    owedToNetwork: 10_000n,
    free: 400n * USDC,
  });
  expect(await reservedOf(holder)).toBe(0n);
  expect(await kinds(holder)).toEqual(['reservation', 'clearing', 'clearing']);
  // Nothing of the clearings is left to be funded; the reservation has yet to be.
  expect((await holder.rows('card_transactions')).map((row) => row.state)).toEqual(['posted', 'funded', 'funded']);
  expect(await boughtBack(holder)).toBe(0n);
});

test('what the last clearing leaves of it is bought back', async () => {
  const holder = await network.cardholder({ policy: AT_ONCE });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await look(holder);
  await purchase.tell('CLEARING', 7_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 7_000n, free: 430n * USDC });
  expect(await reservedOf(holder)).toBe(0n);
  expect(await boughtBack(holder)).toBe(30n * USDC);
});

test('a clearing above it takes the rest from the account', async () => {
  const holder = await network.cardholder({ policy: { ...AT_ONCE, foreign_currency_fee_bps: 100 } });
  const purchase = holder.purchase({ merchantCurrency: { currency: 'EUR', perDollar: 0.9 } });
  await purchase.ask(10_000);
  await look(holder);
  expect(await reservedOf(holder)).toBe(10_100n);
  await purchase.tell('CLEARING', 12_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    owedToNetwork: 12_000n,
    fees: 120n,
    free: 378_800_000n,
    overdue: 0n,
  });
  expect(await reservedOf(holder)).toBe(0n);
});

test('a reversal gives its part back, and the tokens of it', async () => {
  const holder = await network.cardholder({ policy: AT_ONCE });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await look(holder);
  await purchase.tell('AUTHORIZATION_REVERSAL', 4_000, { holdLeft: 6_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', reversed: 4_000n, free: 440n * USDC });
  expect(await reservedOf(holder)).toBe(6_000n);
  await purchase.tell('AUTHORIZATION_REVERSAL', 6_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', free: 500n * USDC, owedToNetwork: 0n });
  expect(await reservedOf(holder)).toBe(0n);
  expect(await boughtBack(holder)).toBe(100n * USDC);
});

test('the expiry undoes a loan that was drawn for nothing', async () => {
  const holder = await network.cardholder({
    policy: AT_ONCE,
    funds: {},
    collateral: { WETH },
    credit: true,
    fundingPolicy: fundingPolicyForMode('borrow', []),
  });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  expect(await look(holder)).toMatchObject({ postingsToFund: [{ workflowType: 'drawLoan' }] });
  expect(await holder.rows('loan_draws')).toMatchObject([{ principal_posted: 100n * USDC, principal_repaid: 0n }]);
  const authorizationId = await purchaseId(holder);
  const later = { now: () => new Date(Date.now() + 8 * 86_400_000) };
  await expireAuthorization({ knex, clock: later }, { organizationId: holder.organizationId, authorizationId });
  expect(await holder.books(purchase)).toMatchObject({ state: 'expired', held: 0n, free: 0n, overdue: 0n });
  expect(await reservedOf(holder)).toBe(0n);
  expect(await holder.rows('loan_draws')).toMatchObject([
    { principal_posted: 100n * USDC, principal_repaid: 100n * USDC },
  ]);
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'expired', owedToNetwork: 10_000n });
});

test('an increment is funded with the next look, and a refund finds what the purchase was paid from', async () => {
  const holder = await network.cardholder({ policy: AT_ONCE });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await look(holder);
  await purchase.ask(5_000);
  expect(await holder.books(purchase)).toMatchObject({ held: 5_000n, free: 350n * USDC });
  await look(holder);
  expect(await holder.books(purchase)).toMatchObject({ held: 0n, free: 350n * USDC });
  expect(await reservedOf(holder)).toBe(15_000n);
  await purchase.tell('CLEARING', 15_000);
  await purchase.tell('RETURN', 15_000);
  expect(await holder.books(purchase)).toMatchObject({ refunded: 15_000n, free: 500n * USDC, owedToNetwork: 0n });
  const sold = (await holder.rows('funding_legs')).filter((leg) => leg.kind === 'stablecoin_sale');
  expect(sold.map((leg) => leg.refunded_usd)).toEqual(sold.map((leg) => leg.posted_usd));
});

test('a pump that asked for a dollar is funded for what was filled, not for all that is held', async () => {
  const policy = { ...AT_ONCE, hold_fixed_amount: { automated_fuel: { up_to: '100', hold: '17500' } } };
  const holder = await network.cardholder({ policy });
  const purchase = holder.purchase(merchantOf('5542'));
  await purchase.ask(100);
  expect(await look(holder)).toMatchObject({ postingsToFund: [] });
  expect(await holder.books(purchase)).toMatchObject({ held: 17_500n });
  await purchase.tell('AUTHORIZATION_ADVICE', 6_000, { holdLeft: 6_000 });
  expect(await look(holder)).toMatchObject({ postingsToFund: [{ workflowType: 'fundSale' }] });
  expect(await holder.books(purchase)).toMatchObject({ held: 0n, free: 440n * USDC });
  expect(await reservedOf(holder)).toBe(6_000n);
  await purchase.tell('CLEARING', 6_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 6_000n, free: 440n * USDC });
  expect(await boughtBack(holder)).toBe(0n);
});

test('a program that funds at clearing sets nothing aside', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  expect(await look(holder)).toMatchObject({ postingsToFund: [] });
  expect(await holder.books(purchase)).toMatchObject({ held: 10_000n });
  expect(await reservedOf(holder)).toBe(0n);
});

describe('an approval that was not heard, with an increment on top that was', () => {
  const giveUp = async (holder: Cardholder) =>
    voidUnheardAuthorization(
      { knex, clock: systemClock },
      { organizationId: holder.organizationId, authorizationId: await purchaseId(holder), standing: 'declined' },
    );

  test('gives back what was set aside for it, and nothing of the increment', async () => {
    const holder = await network.cardholder({ policy: AT_ONCE });
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.ask(5_000);
    await look(holder);
    expect(await reservedOf(holder)).toBe(15_000n);
    expect(await giveUp(holder)).toEqual({ kind: 'voided' });
    expect(await reservedOf(holder)).toBe(5_000n);
    expect(await boughtBack(holder)).toBe(100n * USDC);
    expect(await holder.books(purchase)).toMatchObject({ state: 'pending', reversed: 10_000n });
    expect(await giveUp(holder)).toEqual({ kind: 'ended' });
    await purchase.tell('CLEARING', 5_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', owedToNetwork: 5_000n });
    expect(await reservedOf(holder)).toBe(0n);
  });

  test.each([
    ['AUTHORIZATION_REVERSAL', 0n],
    ['CLEARING', 10_000n],
  ])('gives back nothing where a %s has ended it, and a total has opened it again', async (end, cleared) => {
    const holder = await network.cardholder({ policy: AT_ONCE });
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await look(holder);
    await purchase.tell(end, 10_000);
    await purchase.tell('AUTHORIZATION_ADVICE', Number(cleared) + 5_000, { polarity: 'DEBIT', holdLeft: 5_000 });
    await look(holder);
    expect(await reservedOf(holder)).toBe(5_000n);
    const before = await holder.books(purchase);
    expect(before).toMatchObject({ cleared });
    // A total that was told is the truth.
    expect(await giveUp(holder)).toEqual({ kind: 'confirmed' });
    expect(await reservedOf(holder)).toBe(5_000n);
    expect(await holder.books(purchase)).toEqual(before);
  });
});
