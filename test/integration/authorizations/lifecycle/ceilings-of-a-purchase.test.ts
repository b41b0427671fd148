import { followAuthorization } from '../../../../services/authorizations/follow-authorization';
import type { FundingSource } from '../../../../services/funding/rules/funding-policy';
import { systemClock } from '../../../../services/shared/clock';
import { type Cardholder, type Lifecycle, startLifecycle, USDC } from './network';
import { openReceiptDesk, type ReceiptDesk } from './receipt-desk';

let network: Lifecycle;
let desk: ReceiptDesk;

beforeAll(async () => {
  network = await startLifecycle();
  desk = openReceiptDesk(network);
});

afterAll(async () => {
  await desk.end();
  await network.end();
});

const usdc: FundingSource = { kind: 'stablecoin', asset: 'USDC', keep: 0n };
const eurc: FundingSource = { kind: 'stablecoin', asset: 'EURC', keep: 0n };

/** 500 USDC, and 500 EURC at 1.08, spent as the list says. */
const spending = (sources: readonly FundingSource[], policy: Parameters<Lifecycle['cardholder']>[0] = {}) =>
  network.cardholder({
    funds: { USDC: 500n * USDC, EURC: 500n * USDC },
    fundingPolicy: { mode: 'custom', sources },
    ...policy,
  });

/** Cents that the account's purchases hold of each token, or have spent of it. */
async function takenFrom(holder: Cardholder): Promise<Record<string, bigint>> {
  const taken: Record<string, bigint> = {};
  for (const leg of await holder.rows('funding_legs', 'ordinal')) {
    if (leg.kind === 'refund') continue;
    const placed = leg.hold_transfer_id === null ? leg.posted_usd : leg.held_usd;
    const cents = BigInt(String(placed)) - BigInt(String(leg.released_usd)) - BigInt(String(leg.refunded_usd));
    taken[String(leg.asset)] = (taken[String(leg.asset)] ?? 0n) + cents;
  }
  return taken;
}

test('the ceiling of a source is for the purchase with its increments', async () => {
  const holder = await spending([{ ...usdc, maxPerPurchase: 10_000n }, eurc]);
  const purchase = holder.purchase();
  await purchase.ask(9_000);
  await purchase.ask(9_000);
  await purchase.ask(9_000);
  expect(await holder.books(purchase)).toMatchObject({ approved: 27_000n, held: 27_000n });
  expect(await takenFrom(holder)).toEqual({ USDC: 10_000n, EURC: 17_000n });
  expect(await desk.sameAgain(holder)).toBe(2);
});

test('without another source, what is left of the ceiling is all that an increment gets', async () => {
  const holder = await spending([{ ...usdc, maxPerPurchase: 10_000n }]);
  const purchase = holder.purchase();
  await purchase.ask(9_000);
  expect(await purchase.ask(1_001)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await purchase.ask(1_000)).toEqual({ result: 'APPROVED' });
  expect(await purchase.ask(1)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await holder.purchase().ask(10_000)).toEqual({ result: 'APPROVED' });
  expect(await desk.sameAgain(holder)).toBe(3);
});

test('what has cleared of the purchase counts under its ceiling, what was reversed does not', async () => {
  const cleared = await spending([{ ...usdc, maxPerPurchase: 10_000n }]);
  const purchase = cleared.purchase();
  await purchase.ask(9_000);
  await purchase.tell('CLEARING', 5_000, { holdLeft: 4_000 });
  expect(await purchase.ask(1_001)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await purchase.ask(1_000)).toEqual({ result: 'APPROVED' });

  const reversed = await spending([{ ...usdc, maxPerPurchase: 10_000n }]);
  const other = reversed.purchase();
  await other.ask(9_000);
  await other.tell('AUTHORIZATION_REVERSAL', 5_000, { holdLeft: 4_000 });
  expect(await other.ask(6_001)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await other.ask(6_000)).toEqual({ result: 'APPROVED' });
});

test('a share is of the whole purchase, also where its parts could not keep it each for itself', async () => {
  const holder = await spending([{ ...usdc, maxShareBps: 5_000 }, eurc]);
  const purchase = holder.purchase();
  for (const cents of [3, 3, 3, 3]) await purchase.ask(cents);
  expect(await takenFrom(holder)).toEqual({ USDC: 6n, EURC: 6n });
  await purchase.ask(20_000);
  expect(await takenFrom(holder)).toEqual({ USDC: 10_006n, EURC: 10_006n });
  expect(await desk.sameAgain(holder)).toBe(4);
});

test('what an advice tells on top is held under the ceiling of the purchase', async () => {
  const holder = await spending([{ ...usdc, maxPerPurchase: 10_000n }, eurc]);
  const purchase = holder.purchase();
  await purchase.ask(9_000);
  await purchase.tell('AUTHORIZATION_ADVICE', 15_000, { holdLeft: 15_000 });
  expect(await takenFrom(holder)).toEqual({ USDC: 10_000n, EURC: 5_000n });
  expect(await desk.sameAgain(holder)).toBe(1);
});

test('a reservation counts as what is held, and its return frees the ceiling', async () => {
  const holder = await spending([{ ...usdc, maxPerPurchase: 10_000n }, eurc], {
    policy: { funding_at: 'authorization' },
  });
  const purchase = holder.purchase();
  const look = async () => {
    const [row] = await holder.rows('authorizations');
    const reference = { organizationId: holder.organizationId, authorizationId: String(row?.id) };
    await followAuthorization({ knex: network.knex, clock: systemClock }, reference, 0);
  };
  await purchase.ask(9_000);
  await look();
  await purchase.ask(9_000);
  await look();
  expect(await takenFrom(holder)).toEqual({ USDC: 10_000n, EURC: 8_000n });
  await purchase.tell('AUTHORIZATION_REVERSAL', 12_000, { holdLeft: 6_000 });
  expect(await takenFrom(holder)).toEqual({ USDC: 6_000n, EURC: 0n });
  await purchase.ask(5_000);
  expect(await takenFrom(holder)).toEqual({ USDC: 10_000n, EURC: 1_000n });
  expect(await desk.sameAgain(holder)).toBe(2);
});

test('a purchase that was declined took nothing, so that its ceilings are whole when it is asked for again', async () => {
  const holder = await spending([{ ...usdc, maxPerPurchase: 10_000n }]);
  const purchase = holder.purchase();
  expect(await purchase.ask(10_001)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
  expect(await purchase.ask(1)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await desk.sameAgain(holder)).toBe(2);
});
