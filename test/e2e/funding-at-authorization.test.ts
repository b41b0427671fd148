import { Client } from 'pg';
import { z } from 'zod';
import { borrowFromNowOn, buy, type Cardholding, GROCER, standingOf, usd } from '../../embedded/demo/journey';
import { until } from '../../embedded/demo/poll';
import * as shapes from '../../embedded/demo/shapes';
import { required } from '../../services/shared/assert';
import { parseId } from '../../services/shared/ids';
import { openCardAccount } from '../builders/card-account';
import { readCardNetworkBook, readOffRampBook } from '../builders/vendor-books';
import { startTestStack, wholeStackTimeout } from '../setup/whole-stack';

const LIMIT_MS = 120_000;
const MONTH_SECONDS = 30 * 86_400;

/** Every purchase is of 100.00: 30.00 of it are sold for, 70.00 are lent. */
const PRICE = '100.00';
const SOLD = 30_000_000n;
const LENT = 70_000_000n;

jest.setTimeout(300_000);

let stack: Awaited<ReturnType<typeof startTestStack>>;
let database: Client;
let holding: Cardholding;

beforeAll(async () => {
  stack = await startTestStack();
  database = new Client({ connectionString: stack.superuserUrl });
  await database.connect();
  holding = await openCardAccount(stack);
  await borrowFromNowOn(holding);
  const { api, accountId, programId } = holding;
  await api.put(shapes.withId, `/v1/programs/${programId}/policy`, { funding_at: 'authorization' });
  await api.put(shapes.withId, `/v1/accounts/${accountId}/funding-policy`, {
    mode: 'custom',
    sources: [{ kind: 'stablecoin', asset: 'USDC', max_per_purchase: usd('30.00') }, { kind: 'loan' }],
  });
}, wholeStackTimeout);

afterAll(async () => {
  await database?.end();
  await stack?.end();
});

const authorization = z.looseObject({ state: z.string(), reserved: shapes.money, cleared: shapes.money });

const simulate = (name: string, body: object): Promise<unknown> =>
  holding.api.post(z.looseObject({}), `/v1/simulate/${name}`, body);

/** What we have on record of a purchase: our own transactions and the network's, oldest first, each with its parts. */
async function transactionsOf(authorizationId: string): Promise<readonly shapes.Transaction[]> {
  const { api } = holding;
  const { data } = await api.get(
    shapes.listOf(shapes.transactionLine),
    `/v1/transactions?authorization_id=${authorizationId}`,
  );
  return Promise.all(data.toReversed().map(({ id }) => api.get(shapes.transaction, `/v1/transactions/${id}`)));
}

const said = (transactions: readonly shapes.Transaction[]): readonly string[] =>
  transactions.map(({ kind, amount, state }) => `${kind} ${amount.amount} ${state}`);

/** The purchase once these transactions are all there is of it. */
async function becomes(
  authorizationId: string,
  expected: readonly string[],
): Promise<{
  readonly state: string;
  readonly reserved: string;
  readonly cleared: string;
  readonly parts: readonly string[];
}> {
  const transactions = await until(
    `the purchase becoming ${expected.join(', ')}`,
    () => transactionsOf(authorizationId),
    (seen) => said(seen).join() === expected.join(),
    (seen) => JSON.stringify(said(seen)),
    LIMIT_MS,
  );
  const { state, reserved, cleared } = await holding.api.get(authorization, `/v1/authorizations/${authorizationId}`);
  return {
    state,
    reserved: reserved.amount,
    cleared: cleared.amount,
    parts: transactions.flatMap(({ parts }) =>
      parts.map(
        ({ kind, state: partState, amount, repayments }) =>
          `${kind} ${amount.amount} ${partState}${repayments.map((each) => `, ${each.amount.amount} ${each.state}`).join()}`,
      ),
    ),
  };
}

/** A purchase that is approved and waits until all of it is sold and lent for, before any clearing. */
async function fundedPurchase(): Promise<string> {
  const { id } = await buy(holding, PRICE, GROCER);
  expect(await becomes(id, ['reservation 100.00 funded'])).toEqual({
    state: 'pending',
    reserved: '100.00',
    cleared: '0.00',
    parts: ['stablecoin_sale 30.000000 funded', 'loan_draw 70.000000 funded'],
  });
  return id;
}

const RETURNED = ['refund 70.000000 funded, 70.000000 confirmed', 'refund 30.000000 funded, 30.000000 confirmed'];
const FUNDED = ['stablecoin_sale 30.000000 funded', 'loan_draw 70.000000 funded'];

async function ledgerOf(type: string, asset: string): Promise<bigint> {
  const shape = shapes.listOf(z.looseObject({ balance: shapes.money }));
  const { data } = await holding.api.get(shape, `/v1/ledger/accounts?type=${type}&asset=${asset}&limit=100`);
  return data.reduce((sum, { balance }) => sum + units(balance.amount), 0n);
}

/** Digits of a decimal without its point: cents of USD, base units of tokens. */
const units = (decimal: string): bigint => BigInt(decimal.replace('.', ''));

/** The account and everybody outside, as they stand. */
async function books() {
  const { accountId, owner, auditor } = holding;
  const { balances, credit } = await standingOf(holding);
  const funds = required(
    balances.find(({ asset }) => asset === 'USDC'),
    'USDC of the account',
  );
  const { rows } = await database.query<{ principal: string }>(
    `SELECT coalesce(sum(principal_posted - principal_repaid), 0)::text AS principal FROM loan_draws WHERE account_id = $1`,
    [uuidOf('account', accountId)],
  );
  const { transfers, unmatched_deposits } = await readOffRampBook(stack);
  expect(unmatched_deposits).toEqual([]);
  return {
    funds: units(funds.total.amount),
    held: units(funds.held.amount) + units(shapes.money.parse(credit['held']).amount),
    unconfirmed: units(credit.unconfirmed.amount),
    lent: BigInt(required(rows[0], 'principal').principal),
    borrows: await auditor.borrows('USDC', owner),
    repayments: await auditor.repayments('USDC', owner),
    sales: transfers.map(({ received, state }) => `${received} ${state}`).sort(),
    reserved: await ledgerOf('network.reserved', 'USD'),
    owedToNetwork: await ledgerOf('network.payable', 'USD'),
    heldAtNetwork: (await readCardNetworkBook(stack)).totals.hold_amount,
  };
}
type Books = Awaited<ReturnType<typeof books>>;

const sold = (times: number): readonly string[] =>
  [30, 70].flatMap((each) => Array.from({ length: times }, () => `${each}.000000 payment_processed`)).sort();

/** What must have happened in all, and nothing else: purchases funded, of which some were given back, and some cleared. */
function expectedBooks(past: {
  readonly fundedTimes: number;
  readonly cleared: bigint;
  readonly funds: bigint;
  readonly lent: bigint;
  readonly repaid: number;
}): Books {
  return {
    funds: past.funds,
    held: 0n,
    unconfirmed: 0n,
    lent: past.lent,
    borrows: Array.from({ length: past.fundedTimes }, () => LENT),
    repayments: Array.from({ length: past.repaid }, () => LENT),
    sales: [...sold(past.fundedTimes)],
    reserved: 0n,
    owedToNetwork: past.cleared,
    heldAtNetwork: 0,
  };
}

/**
 * Ledger, chain, off-ramp, bank and network agree; the debt at the venue is read by somebody else as well. Gives the USDC in the
 * treasury that are not cardholders' funds.
 */
async function expectSound(): Promise<bigint> {
  const { api, auditor, owner } = holding;
  const { ok, proofs, block_number } = await api.post(shapes.reconciliation, '/v1/reconciliation');
  expect(proofs.filter((proof) => !proof.ok)).toEqual([]);
  expect(proofs.length).toBeGreaterThan(10);
  expect(ok).toBe(true);
  expect(await ledgerOf('venue.debt', 'USDC')).toBe(await auditor.venueDebt('USDC', owner, BigInt(block_number)));
  const { funds } = await books();
  const covered = required(
    proofs.find(({ name }) => name === 'client_money_covered.USDC'),
    'the proof of client money',
  );
  return units(covered.found.replace(' USDC', '')) - funds;
}

/** The same, and every token in the treasury is a cardholder's: nothing was bought twice, and nothing is missing. */
async function expectSoundToTheUnit(): Promise<void> {
  expect(await expectSound()).toBe(0n);
}

function uuidOf(kind: 'account' | 'authorization', id: string): string {
  const parsed = parseId(kind, id);
  if (!parsed.ok) throw new Error(`not an id: ${id}`);
  return parsed.value;
}

const START = 500_000_000n;

test('a purchase is sold and lent for before it clears, and its clearing for all of it moves nothing more', async () => {
  const id = await fundedPurchase();
  const before = expectedBooks({ fundedTimes: 1, cleared: 0n, funds: START - SOLD, lent: LENT, repaid: 0 });
  expect(await books()).toEqual({ ...before, reserved: 10_000n, heldAtNetwork: 10_000 });
  await expectSoundToTheUnit();

  await simulate('clearings', { authorization_id: id, amount: usd(PRICE), final: true });
  expect(await becomes(id, ['reservation 100.00 funded', 'clearing 100.00 funded'])).toEqual({
    state: 'cleared',
    reserved: '0.00',
    cleared: '100.00',
    parts: FUNDED,
  });
  expect(await books()).toEqual({ ...before, owedToNetwork: 10_000n });
  await expectSoundToTheUnit();
});

test('what the last clearing leaves of it is repaid and given back', async () => {
  const id = await fundedPurchase();
  await simulate('clearings', { authorization_id: id, amount: usd('20.00'), final: true });
  expect(
    await becomes(id, ['reservation 100.00 funded', 'clearing 20.00 funded', 'reservation_return 80.00 funded']),
  ).toEqual({
    state: 'cleared',
    reserved: '0.00',
    cleared: '20.00',
    parts: [...FUNDED, 'refund 70.000000 funded, 70.000000 confirmed', 'refund 10.000000 funded, 10.000000 confirmed'],
  });
  expect(await books()).toEqual(
    expectedBooks({ fundedTimes: 2, cleared: 12_000n, funds: START - SOLD - 20_000_000n, lent: LENT, repaid: 1 }),
  );
  await expectSoundToTheUnit();
});

const AFTER = { cleared: 12_000n, funds: START - SOLD - 20_000_000n, lent: LENT } as const;

test('a reversal a month later gives all of it back, the interest of that month included', async () => {
  const id = await fundedPurchase();
  const owedBefore = await standingOf(holding);
  await simulate('chain-time', { seconds: MONTH_SECONDS });
  await simulate('blocks', { count: 1 });
  await until(
    'the interest of a month being owed',
    () => standingOf(holding),
    ({ credit }) => units(credit.owed.amount) > units(owedBefore.credit.owed.amount) + 100_000n,
    ({ credit }) => credit.owed.amount,
  );
  await simulate('reversals', { authorization_id: id });
  expect(await becomes(id, ['reservation 100.00 funded', 'reservation_return 100.00 funded'])).toEqual({
    state: 'reversed',
    reserved: '0.00',
    cleared: '0.00',
    parts: [...FUNDED, ...RETURNED],
  });
  expect(await books()).toEqual(expectedBooks({ ...AFTER, fundedTimes: 3, repaid: 2 }));
  const { credit } = await standingOf(holding);
  // Of two loans of 70 that a month's interest ran on, one is left with its own.
  expect(units(credit.owed.amount)).toBeLessThan(LENT + (units(owedBefore.credit.owed.amount) - LENT));
  expect(units(credit.owed.amount)).toBeGreaterThan(LENT + 100_000n);
  await expectSoundToTheUnit();
});

test('when the network lets it expire, all of it is given back', async () => {
  const id = await fundedPurchase();
  await simulate('expiries', { authorization_id: id });
  expect(await becomes(id, ['reservation 100.00 funded', 'reservation_return 100.00 funded'])).toEqual({
    state: 'expired',
    reserved: '0.00',
    cleared: '0.00',
    parts: [...FUNDED, ...RETURNED],
  });
  expect(await books()).toEqual(expectedBooks({ ...AFTER, fundedTimes: 4, repaid: 3 }));
  await expectSoundToTheUnit();
});

test('when our own deadline passes, too, and a clearing afterwards is paid from what the account has', async () => {
  const id = await fundedPurchase();
  await database.query('UPDATE authorizations SET expires_at = now() WHERE id = $1', [uuidOf('authorization', id)]);
  const returned = ['reservation 100.00 funded', 'reservation_return 100.00 funded'];
  expect(await becomes(id, returned)).toEqual({
    state: 'expired',
    reserved: '0.00',
    cleared: '0.00',
    parts: [...FUNDED, ...RETURNED],
  });
  // The network still has its own hold.
  const expected = expectedBooks({ ...AFTER, fundedTimes: 5, repaid: 4 });
  expect(await books()).toEqual({ ...expected, heldAtNetwork: 10_000 });
  await expectSoundToTheUnit();

  await simulate('clearings', { authorization_id: id, amount: usd('10.00'), final: true });
  expect(await becomes(id, [...returned, 'clearing 10.00 funded'])).toMatchObject({
    state: 'expired',
    reserved: '0.00',
  });
  expect(await books()).toEqual({
    ...expected,
    funds: expected.funds - 10_000_000n,
    owedToNetwork: 13_000n,
    sales: [...expected.sales, '10.000000 payment_processed'].sort(),
  });
  await expectSoundToTheUnit();
});

test('a reversal while its sale is still at the off-ramp gives back what was never paid out yet', async () => {
  await simulate('off-ramp-plans', { plan: 'hold' });
  const { id } = await buy(holding, PRICE, GROCER);
  const [reservation] = await until(
    'both parts being ordered at the off-ramp',
    () => transactionsOf(id),
    (seen) => (seen[0]?.parts ?? []).filter(({ sale }) => (sale?.['vendor_order_id'] ?? null) !== null).length === 2,
    (seen) => JSON.stringify(seen.flatMap(({ parts }) => parts.map((part) => part.sale?.state ?? part.state))),
    LIMIT_MS,
  );
  await simulate('reversals', { authorization_id: id });
  const heldBack = (reservation?.parts ?? []).map(({ sale }) => String(sale?.['vendor_order_id']));
  await becomes(id, ['reservation 100.00 posted', 'reservation_return 100.00 funded']);
  for (const order of heldBack) {
    // Only one of them is held; of the other there is nothing to be changed.
    await simulate('off-ramp-orders', { vendor_order_id: order, plan: 'pay' }).catch(() => undefined);
  }
  expect(await becomes(id, ['reservation 100.00 funded', 'reservation_return 100.00 funded'])).toEqual({
    state: 'reversed',
    reserved: '0.00',
    cleared: '0.00',
    parts: [...FUNDED, ...RETURNED],
  });
  await expectSoundToTheUnit();
});

test('a reversal right after the approval leaves nothing behind, however far its funding had come', async () => {
  const before = await books();
  const { id } = await buy(holding, PRICE, GROCER);
  await simulate('reversals', { authorization_id: id });
  await until(
    'the reversal being recorded',
    () => holding.api.get(authorization, `/v1/authorizations/${id}`),
    ({ state }) => state === 'reversed',
    ({ state }) => state,
  );
  const transactions = await until(
    'all that was begun coming to rest',
    () => transactionsOf(id),
    (seen) => seen.every(({ state }) => state === 'funded'),
    (seen) => JSON.stringify(said(seen)),
    LIMIT_MS,
  );
  expect(said(transactions)).toEqual(
    transactions.length === 0 ? [] : ['reservation 100.00 funded', 'reservation_return 100.00 funded'],
  );
  const after = await books();
  expect({ ...after, borrows: [], repayments: [], sales: [] }).toEqual({
    ...before,
    borrows: [],
    repayments: [],
    sales: [],
  });
  expect(after.borrows.length - before.borrows.length).toBe(after.repayments.length - before.repayments.length);
  await expectSoundToTheUnit();
});

test('the network is paid what cleared, and the one loan that is left is repaid to nothing', async () => {
  const { api, accountId, programId, auditor, owner } = holding;
  const date = new Date().toISOString().slice(0, 10);
  await simulate('settlements', { date });
  const settlement = await api.post(shapes.settlement, '/v1/settlements', { program_id: programId, date });
  const settled = await until(
    'the settlement being reconciled',
    () => api.get(shapes.settlement, `/v1/settlements/${settlement.id}`),
    ({ state }) => state === 'reconciled',
    ({ state }) => state,
  );
  expect([settled.network_amount?.amount, settled.ledger_amount?.amount]).toEqual(['130.00', '130.00']);
  const { id } = await api.post(shapes.withId, `/v1/accounts/${accountId}/repayments`, { all: 'USDC' });
  await until(
    'the loan being repaid',
    () => api.get(shapes.operation, `/v1/repayments/${id}`),
    ({ state }) => state === 'confirmed',
    ({ state }) => state,
  );
  const { lent, owedToNetwork, reserved } = await books();
  expect({ lent, owedToNetwork, reserved }).toEqual({ lent: 0n, owedToNetwork: 0n, reserved: 0n });
  expect(await auditor.venueDebt('USDC', owner)).toBe(0n);
  const spread = await ledgerOf('revenue.interest', 'USDC');
  expect(spread).toBeGreaterThan(0n);
  // What the cardholder paid us is left in the treasury, but for the units by which the venue rounds its operations.
  const ours = await expectSound();
  expect(ours).toBeLessThanOrEqual(spread);
  expect(spread - ours).toBeLessThan(10n);
});
