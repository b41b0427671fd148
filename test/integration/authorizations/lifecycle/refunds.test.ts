import { fundingPolicyForMode } from '../../../../services/funding/rules/funding-policy';
import { type Cardholder, type Lifecycle, merchantOf, startLifecycle, USDC } from './network';

const WETH = 10n ** 18n;

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

async function bought(holder: Cardholder, cents: number) {
  const purchase = holder.purchase();
  await purchase.ask(cents);
  await purchase.tell('CLEARING', cents);
  return purchase;
}

const onLoan = () =>
  network.cardholder({
    funds: {},
    collateral: { WETH },
    credit: true,
    fundingPolicy: fundingPolicyForMode('borrow', []),
  });

async function owedOf(holder: Cardholder): Promise<bigint> {
  return (await holder.rows('loan_draws')).reduce(
    (sum, draw) => sum + BigInt(String(draw.principal_posted)) - BigInt(String(draw.principal_repaid)),
    0n,
  );
}

test('a refund in its purchase’s own transaction gives its tokens back', async () => {
  const holder = await network.cardholder();
  const purchase = await bought(holder, 10_000);
  await purchase.tell('RETURN', 4_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 10_000n,
    refunded: 4_000n,
    free: 440n * USDC,
    owedToNetwork: 6_000n,
  });
  expect(await holder.rows('card_transactions')).toMatchObject([
    { kind: 'clearing', refunded_amount: 4_000n },
    { kind: 'refund', amount: 4_000n },
  ]);
});

test('a refund of no purchase that we know buys the program’s stablecoin', async () => {
  const holder = await network.cardholder();
  const refund = holder.purchase();
  await refund.tell('RETURN', 2_000);
  expect(await holder.books(refund)).toMatchObject({ state: null, free: 520n * USDC, owedToNetwork: -2_000n });
  expect(await holder.rows('repayments')).toMatchObject([{ source: 'refund', amount: 20_000_000n }]);
});

test('a refund before its purchase cleared leaves the hold alone, and the clearing posts', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('RETURN', 10_000, { holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n, free: 500n * USDC });
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    held: 0n,
    free: 500n * USDC,
    owedToNetwork: 0n,
  });
});

test.each([
  ['what was not cleared', '5411', 8_000],
  ['the allowance', '5812', 10_000],
])('a refund in one delivery with the last clearing leaves nothing held: %s', async (_what, mcc, cleared) => {
  const holder = await network.cardholder({ policy: { hold_allowance_bps: { restaurants: 2000 } } });
  const purchase = holder.purchase(merchantOf(mcc));
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', cleared, { untold: true });
  await purchase.tell('RETURN', cleared);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: BigInt(cleared),
    held: 0n,
    free: 500n * USDC,
    owedToNetwork: 0n,
  });
  await purchase.repeat([0]);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, free: 500n * USDC });
});

test('a refund is authorized first: approved, nothing held, and money comes only with the refund itself', async () => {
  const holder = await network.cardholder();
  const refund = holder.purchase();
  expect(await refund.ask(-3_000, { status: 'CREDIT_AUTHORIZATION' })).toEqual({ result: 'APPROVED' });
  expect(await holder.books(refund)).toMatchObject({
    state: 'cleared',
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
  await refund.tell('CREDIT_AUTHORIZATION', 3_000, { token: refund.lastEventToken, holdLeft: 3_000 });
  expect(await holder.books(refund)).toMatchObject({ free: 500n * USDC });
  await refund.tell('RETURN', 3_000);
  expect(await holder.books(refund)).toMatchObject({ free: 530n * USDC, refunded: 3_000n, owedToNetwork: -3_000n });
});

test('a closed card, a closed account and a program switched off still get their refunds', async () => {
  const holder = await network.cardholder();
  const { sql } = network.tested;
  await sql.query("UPDATE cards SET state = 'closed' WHERE id = $1", [holder.cardId]);
  await sql.query("UPDATE accounts SET state = 'closed' WHERE id = $1", [holder.accountId]);
  await sql.query("UPDATE programs SET state = 'disabled' WHERE id = $1", [holder.programId]);
  const refund = holder.purchase();
  expect(await refund.ask(-3_000, { status: 'CREDIT_AUTHORIZATION' })).toEqual({ result: 'APPROVED' });
  await refund.tell('RETURN', 3_000);
  expect(await holder.books(refund)).toMatchObject({ free: 530n * USDC });
});

test('a credit in a single message pays at once', async () => {
  const holder = await network.cardholder();
  const credit = holder.purchase();
  expect(await credit.ask(-1_500, { status: 'FINANCIAL_CREDIT_AUTHORIZATION' })).toEqual({ result: 'APPROVED' });
  await credit.tell('FINANCIAL_CREDIT_AUTHORIZATION', 1_500, { token: credit.lastEventToken });
  expect(await holder.books(credit)).toMatchObject({ free: 515n * USDC, owedToNetwork: -1_500n });
});

test('a refund that is taken back is spent again, and belongs to the purchase', async () => {
  const holder = await network.cardholder();
  const purchase = await bought(holder, 10_000);
  await purchase.tell('RETURN', 10_000);
  await purchase.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({ refunded: 0n, free: 400n * USDC, owedToNetwork: 10_000n });
  const [, refund, reversal] = await holder.rows('card_transactions');
  expect(reversal).toMatchObject({ kind: 'refund_reversal', original_transaction_id: refund?.id });
  await purchase.tell('RETURN', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ refunded: 10_000n, free: 500n * USDC, owedToNetwork: 0n });
});

test('a refund from before its purchase was known is none of what the purchase counts as refunded, also when it is taken back', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.tell('RETURN', 10_000);
  await purchase.ask(4_000);
  await purchase.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT', holdLeft: 4_000 });
  expect(await holder.books(purchase)).toMatchObject({ refunded: 0n, held: 4_000n, owedToNetwork: 0n, overdue: 0n });
});

test('of a purchase on a loan: the refund, its reversal and the next refund leave nothing owed', async () => {
  const holder = await onLoan();
  const purchase = await bought(holder, 10_000);
  expect(await owedOf(holder)).toBe(100n * USDC);
  await purchase.tell('RETURN', 10_000);
  expect(await owedOf(holder)).toBe(0n);
  await purchase.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT' });
  expect(await owedOf(holder)).toBe(100n * USDC);
  await purchase.tell('RETURN', 10_000);
  expect(await owedOf(holder)).toBe(0n);
  expect(await holder.books(purchase)).toMatchObject({ refunded: 10_000n, free: 0n, owedToNetwork: 0n, overdue: 0n });
});

test('a refund in parts leaves nothing owed either, and what is refunded beyond the purchase is the cardholder’s', async () => {
  const holder = await onLoan();
  const purchase = await bought(holder, 10_000);
  await purchase.tell('RETURN', 3_333);
  await purchase.tell('RETURN', 6_667);
  expect(await owedOf(holder)).toBe(0n);
  await purchase.tell('RETURN', 500);
  expect(await holder.books(purchase)).toMatchObject({ free: 5n * USDC, owedToNetwork: -500n });
});

test('the fee stays with a partial refund and goes back with the whole purchase; taken back, it is charged again', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const purchase = holder.purchase({ merchantCurrency: { currency: 'EUR', perDollar: 0.9 } });
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 200n, free: 398n * USDC });
  await purchase.tell('RETURN', 4_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 200n, free: 438n * USDC });
  await purchase.tell('RETURN', 6_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC, owedToNetwork: 0n });
  await purchase.tell('RETURN_REVERSAL', 6_000, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({
    fees: 200n,
    free: 438n * USDC,
    refunded: 4_000n,
    owedToNetwork: 6_000n,
  });
});

test.each(['disputed = true', "observed_at = now() - interval '20 days'"])(
  'a refund does not go by a price that nobody may trust: %s',
  async (untrusted) => {
    const { sql } = network.tested;
    const [early, holder] = [await network.cardholder(), await network.cardholder()];
    const purchase = early.purchase();
    await purchase.ask(10_000);
    const { rows } = await sql.query(
      "SELECT price_usd_e8, observed_at, disputed FROM asset_prices WHERE asset = 'USDC'",
    );
    await sql.query(`UPDATE asset_prices SET price_usd_e8 = 50000000, ${untrusted} WHERE asset = 'USDC'`);
    try {
      const refund = holder.purchase();
      await refund.tell('RETURN', 2_000);
      expect(await holder.books(refund)).toMatchObject({ free: 520n * USDC });
      // The clearing goes by the hold's price then: given back before it cleared, it comes out even.
      await purchase.tell('RETURN', 10_000, { holdLeft: 10_000 });
      await purchase.tell('CLEARING', 10_000);
      expect(await early.books(purchase)).toMatchObject({ free: 500n * USDC });
    } finally {
      const { price_usd_e8, observed_at, disputed } = rows[0];
      await sql.query(
        "UPDATE asset_prices SET price_usd_e8 = $1, observed_at = $2, disputed = $3 WHERE asset = 'USDC'",
        [price_usd_e8, observed_at, disputed],
      );
    }
  },
);

describe('what is shown as refunded', () => {
  const shown = async (holder: Cardholder) =>
    (await holder.rows('card_transactions')).map((row) => [row.kind, row.amount, row.refunded_amount]);

  test('a refund of several clearings is of each as far as it reaches, the oldest first', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.tell('CLEARING', 6_000, { holdLeft: 4_000 });
    await purchase.tell('CLEARING', 4_000);
    await purchase.tell('RETURN', 7_000);
    await purchase.tell('RETURN', 3_000);
    expect(await shown(holder)).toEqual([
      ['clearing', 6_000n, 6_000n],
      ['clearing', 4_000n, 4_000n],
      ['refund', 7_000n, 0n],
      ['refund', 3_000n, 0n],
    ]);
    expect(await holder.books(purchase)).toMatchObject({ refunded: 10_000n });
  });

  test('a refund that is taken back is spent anew, and that is what the next refund is of', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.tell('CLEARING', 10_000);
    await purchase.tell('RETURN', 4_000);
    await purchase.tell('RETURN_REVERSAL', 4_000, { polarity: 'DEBIT' });
    expect(await holder.books(purchase)).toMatchObject({ refunded: 0n });
    await purchase.tell('RETURN', 10_000);
    expect(await shown(holder)).toEqual([
      ['clearing', 10_000n, 10_000n],
      ['refund', 4_000n, 0n],
      ['refund_reversal', 4_000n, 4_000n],
      ['refund', 10_000n, 0n],
    ]);
    expect(await holder.books(purchase)).toMatchObject({ refunded: 10_000n });
  });

  test('a refund before the clearing is of the clearing once that comes, and never more than it', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.tell('RETURN', 12_000, { holdLeft: 10_000 });
    await purchase.tell('CLEARING', 10_000);
    expect(await shown(holder)).toEqual([
      ['refund', 12_000n, 0n],
      ['clearing', 10_000n, 10_000n],
    ]);
    expect(await holder.books(purchase)).toMatchObject({ refunded: 12_000n, cleared: 10_000n });
  });

  test('a refund that was taken back before the clearing leaves the clearing as it is', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.tell('RETURN', 4_000, { holdLeft: 10_000 });
    await purchase.tell('RETURN_REVERSAL', 4_000, { polarity: 'DEBIT', holdLeft: 10_000 });
    await purchase.tell('CLEARING', 10_000);
    expect(await shown(holder)).toEqual([
      ['refund', 4_000n, 0n],
      ['refund_reversal', 4_000n, 4_000n],
      ['clearing', 10_000n, 0n],
    ]);
  });

  test('of no purchase that we know, as of any', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.tell('CLEARING', 3_000, { holdLeft: 4_000 });
    await purchase.tell('CLEARING', 4_000);
    await purchase.tell('RETURN', 5_000);
    expect(await shown(holder)).toEqual([
      ['clearing', 3_000n, 3_000n],
      ['clearing', 4_000n, 2_000n],
      ['refund', 5_000n, 0n],
    ]);
  });
});
