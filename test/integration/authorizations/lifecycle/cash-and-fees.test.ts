import { followAuthorization } from '../../../../services/authorizations/follow-authorization';
import { systemClock } from '../../../../services/shared/clock';
import {
  CASH_MACHINE,
  type Cardholder,
  type Lifecycle,
  merchantOf,
  startLifecycle,
  TAKES_PARTIAL,
  USDC,
} from './network';
import { openReceiptDesk } from './receipt-desk';

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

const CASH_FEE = { cash_withdrawal_fee: { fixed: '250', bps: 100 } };
const EUROS = { merchantCurrency: { currency: 'EUR', perDollar: 0.9 } };

test('a check of the card for nothing is approved, holds nothing, and shows how it was verified', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase({ avs: { address_on_file_match: 'MATCH_ZIP_ONLY' } });
  expect(await purchase.ask(0)).toEqual({ result: 'APPROVED', avs_result: 'MATCH_ZIP_ONLY' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    held: 0n,
    free: 500n * USDC,
    counted: ['0', 0],
  });
  expect(await holder.rows('authorizations')).toMatchObject([
    { kind: 'zero_amount_verification', avs: 'postal_code_match', cvc: 'not_provided' },
  ]);
});

test('a card can be added to a wallet with an empty account, but not with an address that must match and does not', async () => {
  const holder = await network.cardholder({ funds: { USDC: 1n }, policy: { decline_on_avs_mismatch: true } });
  expect(await holder.purchase().ask(0)).toEqual({ result: 'APPROVED' });
  const wrong = holder.purchase({ avs: { address_on_file_match: 'MISMATCH' } });
  expect(await wrong.ask(0)).toEqual({ result: 'AVS_INVALID' });
});

test('a balance inquiry tells what can be spent and holds nothing', async () => {
  const holder = await network.cardholder();
  await holder.purchase().ask(10_000);
  const inquiry = holder.purchase(CASH_MACHINE);
  expect(await inquiry.ask(0, { status: 'BALANCE_INQUIRY' })).toEqual({
    result: 'APPROVED',
    balance: { amount: 40_000, available: 40_000 },
  });
  expect(await holder.books(inquiry)).toMatchObject({
    state: 'cleared',
    held: 0n,
    free: 400n * USDC,
    counted: ['10000', 1],
  });
});

test('cash from a machine: the hold carries the fee, the one message posts both', async () => {
  const holder = await network.cardholder({ policy: CASH_FEE });
  const purchase = holder.purchase(CASH_MACHINE);
  expect(await purchase.ask(20_000, { status: 'FINANCIAL_AUTHORIZATION', cash: 20_000 })).toEqual({
    result: 'APPROVED',
  });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    held: 20_450n,
    fee: 450n,
    counted: ['20000', 1],
  });
  await purchase.tell('FINANCIAL_AUTHORIZATION', 20_000, { token: purchase.lastEventToken, polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    cleared: 20_000n,
    held: 0n,
    free: 295_500_000n,
    owedToNetwork: 20_000n,
    fees: 450n,
    counted: ['20000', 1],
  });
  expect(await holder.rows('card_transactions')).toMatchObject([
    { amount: 20_000n, fee_amount: 450n, cash_amount: 20_000n },
  ]);
});

test('the last cent: what covers the cash but not its fee is declined', async () => {
  const enough = await network.cardholder({ policy: CASH_FEE, funds: { USDC: 204_500_000n } });
  expect(await enough.purchase(CASH_MACHINE).ask(20_000)).toEqual({ result: 'APPROVED' });
  const short = await network.cardholder({ policy: CASH_FEE, funds: { USDC: 204_490_000n } });
  expect(await short.purchase(CASH_MACHINE).ask(20_000)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
});

test('cash of which no request came before is charged its fee too', async () => {
  const holder = await network.cardholder({ policy: CASH_FEE });
  const purchase = holder.purchase(CASH_MACHINE);
  await purchase.tell('FINANCIAL_AUTHORIZATION', 10_000, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({ owedToNetwork: 10_000n, fees: 350n, free: 396_500_000n });
});

describe('a single message that was approved in part', () => {
  const shortOf = (cents: bigint) =>
    network.cardholder({ funds: { USDC: (cents * USDC) / 100n }, policy: { ...CASH_FEE, partial_approvals: true } });
  const ask = { status: 'FINANCIAL_AUTHORIZATION' };
  const tell = (token: string) => ({ token, polarity: 'DEBIT' as const });

  test('costs what was approved, though its event says what was asked for', async () => {
    const holder = await shortOf(6_000n);
    const purchase = holder.purchase(TAKES_PARTIAL);
    expect(await purchase.ask(10_000, ask)).toEqual({ result: 'APPROVED', approved_amount: 6_000 });
    await purchase.tell('FINANCIAL_AUTHORIZATION', 10_000, tell(purchase.lastEventToken));
    expect(await holder.books(purchase)).toMatchObject({
      state: 'cleared',
      cleared: 6_000n,
      held: 0n,
      free: 0n,
      overdue: 0n,
      owedToNetwork: 6_000n,
      counted: ['6000', 1],
    });
    await purchase.repeat();
    expect(await holder.books(purchase)).toMatchObject({ cleared: 6_000n, owedToNetwork: 6_000n });
  });

  test('of cash: neither more cash nor its fee is charged', async () => {
    const holder = await shortOf(6_310n);
    const purchase = holder.purchase({ ...CASH_MACHINE, ...TAKES_PARTIAL });
    expect(await purchase.ask(10_000, { ...ask, cash: 10_000 })).toEqual({
      result: 'APPROVED',
      approved_amount: 6_000,
    });
    await purchase.tell('FINANCIAL_AUTHORIZATION', 10_000, tell(purchase.lastEventToken));
    expect(await holder.books(purchase)).toMatchObject({ owedToNetwork: 6_000n, fees: 310n, overdue: 0n, free: 0n });
    expect(await holder.rows('card_transactions')).toMatchObject([{ amount: 6_000n, cash_amount: 6_000n }]);
  });

  test('on a purchase that is known', async () => {
    const holder = await shortOf(6_000n);
    const purchase = holder.purchase(TAKES_PARTIAL);
    const terminal = { partial_approval_capable: false, type: 'POS_TERMINAL' };
    const notInPart = { overrides: { pos: { ...TAKES_PARTIAL.pos, terminal } } };
    expect(await purchase.ask(9_000, { ...ask, ...notInPart })).toEqual({ result: 'INSUFFICIENT_FUNDS' });
    expect(await purchase.ask(10_000, ask)).toEqual({ result: 'APPROVED', approved_amount: 6_000 });
    await purchase.tell('FINANCIAL_AUTHORIZATION', 10_000, tell(purchase.lastEventToken));
    expect(await holder.books(purchase)).toMatchObject({ held: 0n, free: 0n, overdue: 0n, owedToNetwork: 6_000n });
  });

  test.each(['declined by us', 'never asked'])('costs what the network says where it was %s', async (how) => {
    const holder = await network.cardholder({ funds: { USDC: 60n * USDC } });
    const purchase = holder.purchase();
    if (how === 'declined by us') expect(await purchase.ask(10_000, ask)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
    await purchase.tell('FINANCIAL_AUTHORIZATION', 10_000, tell(purchase.lastEventToken || purchase.token));
    expect(await holder.books(purchase)).toMatchObject({ overdue: 4_000n, owedToNetwork: 10_000n });
  });
});

test('a machine that gave no cash: the reversal gives the fee back with it', async () => {
  const holder = await network.cardholder({ policy: CASH_FEE });
  const purchase = holder.purchase(CASH_MACHINE);
  await purchase.ask(20_000);
  await purchase.tell('AUTHORIZATION_REVERSAL', 20_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, free: 500n * USDC, fees: 0n });
});

test.each([
  [false, 9_000n, 0n],
  [true, 9_270n, 270n],
])('cash at the till is kept apart, and charged only where the policy says so (%s)', async (cashback, held, fee) => {
  const holder = await network.cardholder({
    policy: { cash_withdrawal_fee: { ...CASH_FEE.cash_withdrawal_fee, cashback } },
  });
  const purchase = holder.purchase();
  expect(await purchase.ask(9_000, { cash: 2_000 })).toEqual({ result: 'APPROVED' });
  expect(await holder.rows('authorizations')).toMatchObject([
    { kind: 'authorization', cash_amount: 2_000n, fee_amount: fee },
  ]);
  expect(await holder.books(purchase)).toMatchObject({ held });
  await purchase.tell('CLEARING', 9_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, owedToNetwork: 9_000n, fees: fee });
  expect(await holder.rows('card_transactions')).toMatchObject([{ cash_amount: 2_000n, fee_amount: fee }]);
});

describe('what is shown as cash', () => {
  const shown = async (holder: Cardholder) =>
    (await holder.rows('card_transactions')).map((row) => [row.kind, row.amount, row.cash_amount]);

  test.each([0, 20_000])('of a withdrawal all, where its cash amount says %i', async (cash) => {
    const holder = await network.cardholder();
    const purchase = holder.purchase(CASH_MACHINE);
    await purchase.ask(20_000, { cash });
    expect(await holder.rows('authorizations')).toMatchObject([{ cash_amount: 20_000n }]);
    await purchase.tell('CLEARING', 12_000, { holdLeft: 8_000 });
    await purchase.tell('CLEARING', 8_000);
    await purchase.tell('RETURN', 5_000);
    expect(await shown(holder)).toEqual([
      ['clearing', 12_000n, 12_000n],
      ['clearing', 8_000n, 8_000n],
      ['refund', 5_000n, 0n],
    ]);
  });

  test('at the till, once for all parts that clear', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(9_000, { cash: 2_000 });
    await purchase.tell('CLEARING', 1_500, { holdLeft: 7_500 });
    await purchase.tell('CLEARING', 5_000, { holdLeft: 2_500 });
    await purchase.tell('CLEARING', 2_500);
    expect(await shown(holder)).toEqual([
      ['clearing', 1_500n, 1_500n],
      ['clearing', 5_000n, 500n],
      ['clearing', 2_500n, 0n],
    ]);
  });

  test('a counter’s cash that is told without asking is held with its fee, and taken again the same', async () => {
    const holder = await network.cardholder({ policy: CASH_FEE });
    const counter = merchantOf('6010');
    const purchase = holder.purchase(counter);
    await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { holdLeft: 10_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 10_350n, fee: 350n });
    const desk = openReceiptDesk(network);
    await desk.sameAgain(holder).finally(() => desk.end());
    await purchase.tell('CLEARING', 10_000);
    expect(await holder.books(purchase)).toMatchObject({ held: 0n, fees: 350n });
  });
});

test('a purchase in another currency keeps both amounts, and costs no fee unless the program says so', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  expect(await holder.rows('authorizations')).toMatchObject([
    { currency: 'USD', requested_amount: 10_000n, merchant_currency: 'EUR', merchant_amount: 9_000n, fee_amount: 0n },
  ]);
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.rows('card_transactions')).toMatchObject([
    { currency: 'USD', amount: 10_000n, merchant_currency: 'EUR', merchant_amount: 9_000n, fee_amount: 0n },
  ]);
  expect(await holder.books(purchase)).toMatchObject({ owedToNetwork: 10_000n, fees: 0n });
});

test('a fee on another currency follows its clearings, however many they are', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 150 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(9_999);
  expect(await holder.books(purchase)).toMatchObject({ held: 10_148n, fee: 149n });
  await purchase.tell('CLEARING', 3_333, { holdLeft: 6_666 });
  expect(await holder.books(purchase)).toMatchObject({ owedToNetwork: 3_333n, fees: 49n });
  await purchase.tell('CLEARING', 3_333, { holdLeft: 3_333 });
  expect(await holder.books(purchase)).toMatchObject({ owedToNetwork: 6_666n, fees: 99n });
  await purchase.tell('CLEARING', 3_333);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, owedToNetwork: 9_999n, fees: 149n });
  expect(await holder.books(purchase)).toMatchObject({ free: 398_520_000n, counted: ['9999', 1] });
});

test('a partial reversal gives its part of the fee back, a clearing above the hold brings more of it', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  await purchase.tell('AUTHORIZATION_REVERSAL', 5_000, { holdLeft: 5_000 });
  expect(await holder.books(purchase)).toMatchObject({ held: 5_100n });
  await purchase.tell('CLEARING', 6_000);
  expect(await holder.books(purchase)).toMatchObject({
    owedToNetwork: 6_000n,
    fees: 120n,
    free: 438_800_000n,
    overdue: 0n,
  });
});

describe('a partial reversal leaves the hold for the amount left and the fee of it', () => {
  test('of cash, whose fixed fee its clearing will charge in full', async () => {
    const holder = await network.cardholder({ policy: CASH_FEE, funds: { USDC: 204_500_000n } });
    const purchase = holder.purchase(CASH_MACHINE);
    await purchase.ask(20_000);
    await purchase.tell('AUTHORIZATION_REVERSAL', 15_000, { holdLeft: 5_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 5_300n, free: 151_500_000n });
    // What is free is held for another, so that the clearing has its own hold alone.
    expect(await holder.purchase().ask(15_150)).toEqual({ result: 'APPROVED' });
    await purchase.tell('CLEARING', 5_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, fees: 300n, overdue: 0n });
  });

  test('also where a part has cleared and has paid the fixed fee', async () => {
    const holder = await network.cardholder({ policy: CASH_FEE });
    const purchase = holder.purchase(CASH_MACHINE);
    await purchase.ask(20_000);
    await purchase.tell('CLEARING', 10_000, { holdLeft: 10_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 10_100n, fees: 350n });
    await purchase.tell('AUTHORIZATION_REVERSAL', 5_000, { holdLeft: 5_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 5_050n });
    await purchase.tell('CLEARING', 5_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', fees: 400n, overdue: 0n });
  });

  test('of a rate, to the cent', async () => {
    const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 150 } });
    const purchase = holder.purchase(EUROS);
    await purchase.ask(9_999);
    await purchase.tell('AUTHORIZATION_REVERSAL', 3_333, { holdLeft: 6_666 });
    expect(await holder.books(purchase)).toMatchObject({ held: 6_765n });
    await purchase.tell('CLEARING', 6_666);
    expect(await holder.books(purchase)).toMatchObject({ fees: 99n, overdue: 0n });
  });

  test('where it was set aside right after approval', async () => {
    const policy = { ...CASH_FEE, funding_at: 'authorization' as const };
    const holder = await network.cardholder({ policy, funds: { USDC: 204_500_000n } });
    const purchase = holder.purchase(CASH_MACHINE);
    await purchase.ask(20_000);
    const [row] = await holder.rows('authorizations');
    const reference = { organizationId: holder.organizationId, authorizationId: String(row?.id) };
    await followAuthorization({ knex: network.knex, clock: systemClock }, reference, 0);
    await purchase.tell('AUTHORIZATION_REVERSAL', 15_000, { holdLeft: 5_000 });
    expect(await holder.rows('authorizations')).toMatchObject([{ reserved_amount: 5_300n }]);
  });

  test('where what it began with was not heard, and what came on top was', async () => {
    const holder = await network.cardholder({ policy: CASH_FEE, funds: { USDC: 255_000_000n } });
    const purchase = holder.purchase(CASH_MACHINE);
    await purchase.ask(20_000);
    const { lastEventToken } = purchase;
    await purchase.ask(5_000);
    expect(await holder.books(purchase)).toMatchObject({ held: 25_500n, free: 0n });
    const notHeard = { result: 'UNKNOWN_HOST_TIMEOUT', detailedResults: ['CUSTOMER_ASA_TIMEOUT'], holdLeft: 5_000 };
    await purchase.tell('AUTHORIZATION', 20_000, { ...notHeard, token: lastEventToken });
    expect(await holder.books(purchase)).toMatchObject({ held: 5_300n });
    await holder.purchase().ask(20_200);
    await purchase.tell('CLEARING', 5_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', fees: 300n, overdue: 0n });
  });
});

describe('the fee is by what clears, whatever was asked for', () => {
  const policy = { ...CASH_FEE, foreign_currency_fee_bps: 200 };
  const KINDS: Readonly<Record<string, readonly [Parameters<Cardholder['purchase']>[0], bigint]>> = {
    'a purchase at home': [{}, 0n],
    'a purchase abroad': [EUROS, 200n],
    'cash at home': [CASH_MACHINE, 350n],
    'cash abroad': [{ ...CASH_MACHINE, ...EUROS }, 550n],
  };
  const changes = Object.keys(KINDS).flatMap((asked) =>
    Object.keys(KINDS).flatMap((cleared) => (asked === cleared ? [] : [[asked, cleared] as const])),
  );

  test.each(changes)('%s that clears as %s', async (asked, cleared) => {
    const [first, held] = KINDS[asked] ?? [{}, 0n];
    const [then, fee] = KINDS[cleared] ?? [{}, 0n];
    const holder = await network.cardholder({ policy });
    const purchase = holder.purchase(first);
    await purchase.ask(10_000);
    expect(await holder.books(purchase)).toMatchObject({ held: 10_000n + held });
    purchase.becomes(then);
    await purchase.tell('CLEARING', 10_000);
    const free = (50_000n - 10_000n - fee) * (USDC / 100n);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, fees: fee, overdue: 0n, free });
    const cash = cleared.startsWith('cash');
    expect(await holder.rows('card_transactions')).toMatchObject([
      { fee_amount: fee, cash_withdrawal: cash, cash_amount: cash ? 10_000n : 0n },
    ]);
    await purchase.tell('RETURN', 10_000);
    expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC });
  });

  test('of parts that clear differently each is charged its own, the fixed part once', async () => {
    const holder = await network.cardholder({ policy });
    const purchase = holder.purchase(EUROS);
    await purchase.ask(40_000);
    await purchase.tell('CLEARING', 10_000, { holdLeft: 30_000 });
    purchase.becomes({});
    await purchase.tell('CLEARING', 10_000, { holdLeft: 20_000 });
    expect(await holder.books(purchase)).toMatchObject({ fees: 200n });
    purchase.becomes(CASH_MACHINE);
    await purchase.tell('CLEARING', 10_000, { holdLeft: 10_000 });
    expect(await holder.books(purchase)).toMatchObject({ fees: 550n });
    await purchase.tell('CLEARING', 10_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', fees: 650n, overdue: 0n });
    await purchase.tell('RETURN', 40_000);
    expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC });
  });

  test('cash on top of a purchase without any holds its own fee, the fixed part included', async () => {
    const holder = await network.cardholder({ policy: CASH_FEE, funds: { USDC: 154n * USDC } });
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    expect(await purchase.ask(5_000, { overrides: CASH_MACHINE })).toEqual({ result: 'APPROVED' });
    expect(await holder.books(purchase)).toMatchObject({ held: 15_300n, fee: 300n });
    const desk = openReceiptDesk(network);
    expect(await desk.sameAgain(holder).finally(() => desk.end())).toBe(1);
    await purchase.tell('CLEARING', 10_000, { holdLeft: 5_000 });
    purchase.becomes(CASH_MACHINE);
    await purchase.tell('CLEARING', 5_000);
    expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', fees: 300n, overdue: 0n, free: USDC });
  });

  test('what no hold was placed for is taken from what is free, and is overdue where nothing is', async () => {
    const holder = await network.cardholder({ policy, funds: { USDC: 100n * USDC } });
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    purchase.becomes(EUROS);
    await purchase.tell('CLEARING', 10_000);
    expect(await holder.books(purchase)).toMatchObject({ fees: 200n, overdue: 200n });
  });
});

test('a fee is that of the day of the purchase, whatever the program charges since', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 100 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  await network.tested.sql.query(
    `INSERT INTO program_policies (organization_id, program_id, version, document)
     SELECT organization_id, program_id, 2, document || '{"foreign_currency_fee_bps": 900}' FROM program_policies WHERE program_id = $1`,
    [holder.programId],
  );
  await network.tested.sql.query('UPDATE programs SET policy_version = 2 WHERE id = $1', [holder.programId]);
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ owedToNetwork: 10_000n, fees: 100n });
  const next = holder.purchase(EUROS);
  await next.ask(1_000);
  expect(await holder.books(next)).toMatchObject({ fee: 90n });
});

test('an increment abroad holds its fee as well, and the fixed part of a cash fee only once', async () => {
  const holder = await network.cardholder({ policy: { ...CASH_FEE, foreign_currency_fee_bps: 100 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  await purchase.ask(5_000);
  expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_150n, fee: 150n });
  await purchase.tell('CLEARING', 15_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, fees: 150n, free: 348_500_000n });
});

test('refunded, taken back and refunded again, the fee goes back as often as it was charged', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 10_000);
  await purchase.tell('RETURN', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC });
  await purchase.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({ fees: 200n, free: 398n * USDC });
  await purchase.tell('RETURN', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC, owedToNetwork: 0n });
});

test('a refund of part that was taken back does not make the next clearing dearer', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(20_000);
  await purchase.tell('CLEARING', 10_000, { holdLeft: 10_000 });
  await purchase.tell('RETURN', 4_000, { holdLeft: 10_000 });
  await purchase.tell('RETURN_REVERSAL', 4_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await holder.books(purchase)).toMatchObject({ fees: 200n });
  await purchase.tell('CLEARING', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 400n, cleared: 20_000n, owedToNetwork: 20_000n });
});

test('refunded before it cleared, a purchase keeps no fee either; a refund of part leaves it to the one of the rest', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const whole = holder.purchase(EUROS);
  await whole.ask(10_000);
  await whole.tell('RETURN', 10_000, { holdLeft: 10_000 });
  await whole.tell('CLEARING', 10_000);
  expect(await holder.books(whole)).toMatchObject({ fees: 0n, free: 500n * USDC, owedToNetwork: 0n });
  await whole.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT' });
  expect(await holder.books(whole)).toMatchObject({ fees: 200n, free: 398n * USDC, owedToNetwork: 10_000n });

  const other = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const inParts = other.purchase(EUROS);
  await inParts.ask(10_000);
  await inParts.tell('RETURN', 5_000, { holdLeft: 10_000 });
  expect(await other.books(inParts)).toMatchObject({ fees: 0n });
  await inParts.tell('CLEARING', 10_000);
  expect(await other.books(inParts)).toMatchObject({ fees: 200n });
  await inParts.tell('RETURN', 5_000);
  expect(await other.books(inParts)).toMatchObject({ fees: 0n, free: 500n * USDC, owedToNetwork: 0n });
});

test.each([4_000, 6_000])('of two refunds, whichever is taken back (%i) brings the fee back', async (takenBack) => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 10_000);
  await purchase.tell('RETURN', 4_000);
  await purchase.tell('RETURN', 6_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n });
  await purchase.tell('RETURN_REVERSAL', takenBack, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({
    fees: 200n,
    refunded: BigInt(10_000 - takenBack),
    owedToNetwork: BigInt(takenBack),
  });
});

test('a clearing after a whole refund makes it one of part, and the fee goes back with all there is', async () => {
  const holder = await network.cardholder({ policy: { foreign_currency_fee_bps: 200 } });
  const purchase = holder.purchase(EUROS);
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 5_000, { holdLeft: 5_000 });
  await purchase.tell('RETURN', 5_000, { holdLeft: 5_000 });
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n });
  await purchase.tell('CLEARING', 5_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 200n });
  await purchase.tell('RETURN_REVERSAL', 5_000, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({ fees: 200n });
  await purchase.tell('RETURN', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC, owedToNetwork: 0n });
});

test('the fixed part of a cash fee is charged once, whatever is given back between two clearings', async () => {
  const refunded = await network.cardholder({ policy: CASH_FEE });
  const purchase = refunded.purchase(CASH_MACHINE);
  await purchase.ask(20_000);
  await purchase.tell('CLEARING', 10_000, { holdLeft: 10_000 });
  await purchase.tell('RETURN', 10_000, { holdLeft: 10_000 });
  expect(await refunded.books(purchase)).toMatchObject({ fees: 0n });
  await purchase.tell('CLEARING', 10_000);
  expect(await refunded.books(purchase)).toMatchObject({ fees: 450n, owedToNetwork: 10_000n });

  const takenBack = await network.cardholder({ policy: CASH_FEE });
  const other = takenBack.purchase(CASH_MACHINE);
  await other.ask(20_000);
  await other.tell('CLEARING', 10_000, { holdLeft: 10_000 });
  await other.tell('RETURN', 10_000, { holdLeft: 10_000 });
  await other.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
  expect(await takenBack.books(other)).toMatchObject({ fees: 350n });
  await other.tell('CLEARING', 10_000);
  expect(await takenBack.books(other)).toMatchObject({ fees: 450n, owedToNetwork: 20_000n });
});

test('a purchase without authorization keeps the terms of its first clearing when its refund is taken back', async () => {
  const holder = await network.cardholder({ policy: CASH_FEE });
  const purchase = holder.purchase(CASH_MACHINE);
  await purchase.tell('CLEARING', 10_000);
  await purchase.tell('RETURN', 10_000);
  expect(await holder.books(purchase)).toMatchObject({ fees: 0n, free: 500n * USDC });
  await network.tested.sql.query(
    `INSERT INTO program_policies (organization_id, program_id, version, document)
     SELECT organization_id, program_id, 2, document || '{"cash_withdrawal_fee": {"fixed": "900", "bps": 0}}' FROM program_policies WHERE program_id = $1`,
    [holder.programId],
  );
  await network.tested.sql.query('UPDATE programs SET policy_version = 2 WHERE id = $1', [holder.programId]);
  await purchase.tell('RETURN_REVERSAL', 10_000, { polarity: 'DEBIT' });
  expect(await holder.books(purchase)).toMatchObject({ fees: 350n, free: 396_500_000n });
});

test('a clearing billed in another currency is refused: stored, told, and not tried for ever', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.tell('CLEARING', 10_000, { currency: 'EUR' });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n, owedToNetwork: 0n });
  const { rows } = await network.tested.sql.query(
    "SELECT state, detail FROM inbox_messages WHERE convert_from(raw, 'UTF8') LIKE '%' || $1 || '%'",
    [purchase.token],
  );
  expect(rows).toMatchObject([{ state: 'unknown', detail: expect.stringContaining('EUR') }]);
});

test.each([
  [2_091, 'APPROVED'],
  [2_090, 'INSUFFICIENT_FUNDS'],
])('increments hold the fee of what they add up to: with %p cents the second is %p', async (cents, result) => {
  const holder = await network.cardholder({
    funds: { USDC: BigInt(cents) * 10_000n },
    policy: { foreign_currency_fee_bps: 200 },
  });
  const purchase = holder.purchase(EUROS);
  expect(await purchase.ask(1_025)).toEqual({ result: 'APPROVED' });
  expect(await purchase.ask(1_025)).toEqual({ result });
  if (result !== 'APPROVED') return;
  // 0.20 of the first and 0.21 of the second: 2 % of 20.50.
  await purchase.tell('CLEARING', 2_050);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', fee: 41n, overdue: 0n, free: 0n });
});
