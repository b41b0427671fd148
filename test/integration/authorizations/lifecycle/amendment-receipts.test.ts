import { voidUnheardIncrement } from '../../../../services/authorizations/void-unheard-increment';
import { fundingPolicyForMode } from '../../../../services/funding/rules/funding-policy';
import { replayFromArguments } from '../../../../services/replay';
import { required } from '../../../../services/shared/assert';
import { systemClock } from '../../../../services/shared/clock';
import { formatId } from '../../../../services/shared/ids';
import {
  CASH_MACHINE,
  type Cardholder,
  type Lifecycle,
  type LithicPurchase,
  merchantOf,
  startLifecycle,
  TAKES_PARTIAL,
  USDC,
} from './network';
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

const amendments = (holder: Cardholder) => holder.rows('authorization_amendments');

const PUMP = { acceptor_id: 'P-1', descriptor: 'PUMP 7', city: 'BERLIN', country: 'DEU', mcc: '5542' };
const EUROS = { merchantCurrency: { currency: 'EUR', perDollar: 0.9 } };
type Options = Parameters<Lifecycle['cardholder']>[0];
type Details = Parameters<Cardholder['purchase']>[0];

/** What is decided on top of a purchase, and how many decisions that is. */
const STORIES: readonly (readonly [string, Options, Details, (purchase: LithicPurchase) => Promise<void>, number])[] = [
  [
    'increments, approved and declined',
    { policy: { limits: { per_transaction_amount: '40000' } } },
    {},
    async (purchase) => {
      await purchase.ask(10_000);
      await purchase.ask(5_000);
      await purchase.ask(30_000);
      await purchase.ask(60_000);
      await purchase.ask(0);
    },
    4,
  ],
  [
    'one approved in part, and one that nothing is left for',
    { policy: { partial_approvals: true } },
    TAKES_PARTIAL,
    async (purchase) => {
      await purchase.ask(45_000);
      await purchase.ask(10_000);
      await purchase.ask(10_000);
    },
    2,
  ],
  [
    'cash whose fixed fee was held with the first message',
    { policy: { cash_withdrawal_fee: { fixed: '300', bps: 150 } } },
    CASH_MACHINE,
    async (purchase) => {
      await purchase.ask(10_000);
      await purchase.ask(5_000);
    },
    1,
  ],
  [
    'a tip, a buffer and a fee on a foreign currency',
    {
      policy: {
        hold_allowance_bps: { restaurants: 2_000 },
        conversion_buffer_bps: 50,
        foreign_currency_fee_bps: 150,
      },
    },
    { ...merchantOf('5812'), ...EUROS },
    async (purchase) => {
      await purchase.ask(10_000);
      await purchase.ask(5_001);
    },
    1,
  ],
  [
    'more on a purchase that was cleared, reversed, expired and declined',
    {},
    {},
    async (purchase) => {
      await purchase.ask(60_000);
      await purchase.ask(1_000);
      await purchase.tell('CLEARING', 800);
      await purchase.ask(2_000);
      await purchase.tell('AUTHORIZATION_REVERSAL', 2_000);
      await purchase.ask(3_000);
      await purchase.tell('AUTHORIZATION_EXPIRY', 3_000);
      await purchase.ask(0);
      await purchase.ask(4_000);
    },
    5,
  ],
  [
    'totals that the network tells, beyond what the account covers too',
    {},
    {},
    async (purchase) => {
      await purchase.ask(10_000);
      await purchase.tell('AUTHORIZATION_ADVICE', 14_000, { polarity: 'DEBIT', holdLeft: 14_000 });
      await purchase.tell('AUTHORIZATION_ADVICE', 90_000, { polarity: 'DEBIT', holdLeft: 90_000 });
      await purchase.tell('AUTHORIZATION_ADVICE', 70_000, { polarity: 'DEBIT', holdLeft: 70_000 });
    },
    3,
  ],
  [
    'a pump that says what was filled of its status check, and more than that',
    {},
    { merchant: PUMP },
    async (purchase) => {
      await purchase.ask(100);
      await purchase.tell('AUTHORIZATION_ADVICE', 4_321, { polarity: 'DEBIT', holdLeft: 4_321 });
      await purchase.tell('AUTHORIZATION_ADVICE', 6_000, { polarity: 'DEBIT', holdLeft: 6_000 });
    },
    2,
  ],
  [
    'a purchase that we declined and the network made all the same',
    {},
    {},
    async (purchase) => {
      await purchase.ask(60_000);
      await purchase.tell('AUTHORIZATION_ADVICE', 60_000, { polarity: 'DEBIT', holdLeft: 60_000 });
    },
    1,
  ],
  [
    'a purchase that begins with an advice: that is its first decision',
    {},
    {},
    async (purchase) => {
      await purchase.tell('AUTHORIZATION_ADVICE', 10_000, { polarity: 'DEBIT', holdLeft: 10_000 });
      await purchase.ask(2_000, { overrides: { created: new Date(Date.now() + 1_000).toISOString() } });
    },
    1,
  ],
];

test.each(STORIES)(
  '%s: taken again they are the same, and their receipts verify',
  async (_, options, details, story, count) => {
    const holder = await network.cardholder(options);
    const purchase = holder.purchase(details);
    await story(purchase);
    expect(await amendments(holder)).toHaveLength(count);
    expect(await desk.sameAgain(holder)).toBe(count);
    // What becomes of them later changes nothing of what was decided.
    await purchase.tell('CLEARING', 500, { holdLeft: 100 });
    for (const row of await amendments(holder)) {
      if (row.answer_state === 'awaited') {
        await voidUnheardIncrement(
          { knex: network.knex, clock: systemClock },
          row as unknown as Parameters<typeof voidUnheardIncrement>[1],
        );
      }
    }
    expect(await desk.sameAgain(holder)).toBe(count);
  },
);

test('a repetition leaves nothing, what comes too late its answer', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(5_000);
  await purchase.ask(0, { body: purchase.lastBody });
  await purchase.tell('AUTHORIZATION_ADVICE', 20_000, { polarity: 'DEBIT', holdLeft: 20_000 });
  await purchase.ask(1_000, { overrides: { created: new Date(Date.now() - 8_000).toISOString() } });
  expect(await desk.sameAgain(holder)).toBe(3);
});

test('what is changed afterwards shows, in the receipt and in the rows', async () => {
  const { sql } = network.tested;
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(5_000);
  const [row] = await amendments(holder);
  const id = required(row, 'amendment').id;
  const about = async () => (await desk.replayed(holder)).find(({ amendmentId }) => amendmentId === id);
  const change = async (assignment: string, ...values: unknown[]) => {
    await sql.query(`UPDATE authorization_amendments SET ${assignment} WHERE id = $1`, [id, ...values]);
  };
  const text = String(row?.receipt);
  await change('receipt = $2', text.replace('"approved":"10000"', '"approved":"10001"'));
  expect(await about()).toMatchObject({ answer: 'different', seal: 'broken', problems: ['leaf_is_another'] });
  await change('receipt = $2', text);
  await change('granted = 5001');
  expect(await about()).toMatchObject({
    answer: 'different',
    seal: 'verified',
    differences: [{ field: 'row granted' }],
  });
  await change('granted = 5000');
  await sql.query('UPDATE funding_legs SET held_usd = held_usd + 1 WHERE id = ANY($1::uuid[])', [row?.leg_ids]);
  expect(await about()).toMatchObject({ answer: 'different', differences: [{ field: 'row leg 0' }] });
  await sql.query('UPDATE funding_legs SET held_usd = held_usd - 1 WHERE id = ANY($1::uuid[])', [row?.leg_ids]);
  expect(await about()).toMatchObject({ answer: 'same', seal: 'verified' });
});

describe('over the API', () => {
  test('they are listed, explained in words, and verified without us', async () => {
    const holder = await network.cardholder({ policy: { limits: { per_transaction_amount: '20000' } } });
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    await purchase.ask(5_000);
    await purchase.ask(7_000);
    await purchase.tell('AUTHORIZATION_ADVICE', 16_000, { polarity: 'DEBIT', holdLeft: 16_000 });
    const key = await desk.keyOf(holder);
    const [authorization] = await holder.rows('authorizations');
    const base = `/v1/authorizations/${formatId('authorization', String(authorization?.id))}`;
    const { body: list } = await desk.get(key, `${base}/amendments`).expect(200);
    expect(list).toMatchObject({
      has_more: false,
      data: [
        { kind: 'advice', outcome: 'approved', total_before: { amount: '150.00' }, approved: { amount: '10.00' } },
        {
          outcome: 'declined',
          decline: { reason: 'amount_limit_exceeded' },
          requested: { amount: '70.00' },
          answer: null,
        },
        { outcome: 'approved', decline: null, approved: { amount: '50.00' }, total_before: { amount: '100.00' } },
      ],
    });
    const [told, declined, approved] = list.data as { id: string }[];
    const { body: page } = await desk.get(key, `${base}/amendments?limit=1&starting_after=${told?.id}`).expect(200);
    expect(page).toMatchObject({ has_more: true, data: [{ id: declined?.id }] });

    const { body: keys } = await desk.get(key, '/v1/receipt-keys').expect(200);
    for (const { id } of list.data as { id: string }[]) {
      const { body } = await desk.get(key, `${base}/amendments/${id}/receipt`).expect(200);
      expect(body).toMatchObject({ amendment_id: id, state: 'verified', proof: { leaf_count: 1, proof: [] } });
      expect(desk.verifyOffline(body, keys)).toMatchObject({ status: 0, text: expect.stringContaining('is genuine') });
      const forged = { ...body, receipt: body.receipt.replace('"result":"', '"result":"x') };
      expect(desk.verifyOffline(forged, keys).status).toBe(1);
    }

    const explained = await desk.get(key, `${base}/amendments/${approved?.id}/explain`).expect(200);
    expect(explained.body).toMatchObject({
      amendment_id: approved?.id,
      result: 'approved',
      total_before: { amount: '100.00' },
      ended_before: false,
      hold: { placed: true, amount: { amount: '50.00' } },
      receipt: { verified: true, same_answer: true },
    });
    expect(explained.body.text.cardholder).toContain(
      '50.00 USD on top of a purchase of 100.00 USD. 50.00 USD was approved.',
    );
    const results = (body: { checks: { check: string; result: string }[] }) =>
      Object.fromEntries(body.checks.map(({ check, result }) => [check, result]));
    expect(results(explained.body)).toMatchObject({ controls: 'passed', limits: 'passed', funding: 'passed' });

    const refused = await desk.get(key, `${base}/amendments/${declined?.id}/explain`).expect(200);
    expect(refused.body).toMatchObject({
      result: 'declined',
      decline: { reason: 'amount_limit_exceeded' },
      largest_amount: { amount: '50.00' },
      limits: [expect.objectContaining({ control: 'limits.per_transaction_amount', used: '150.00', left: '50.00' })],
      receipt: { same_answer: true },
    });
    const first = await desk.get(key, `${base}/explain`).expect(200);
    expect(first.body.text.cardholder).not.toContain('on top of');

    const written: string[] = [];
    const output = { write: (text: string) => void written.push(text) };
    const id = base.split('/').at(-1) ?? '';
    expect(await replayFromArguments([id], network.tested.database.urls.escudo_readonly, output)).toBe(0);
    expect(written.join('')).toContain(`${id} ${approved?.id}  same, verified`);
    expect(written.join('')).toContain('4 decisions taken again');
  });

  test('nobody is shown those of another organization, nor under another authorization', async () => {
    const [one, other] = [await network.cardholder(), await network.cardholder()];
    const ids: [authorization: string, amendment: string][] = [];
    for (const holder of [one, other]) {
      const purchase = holder.purchase();
      await purchase.ask(10_000);
      await purchase.ask(5_000);
      const [authorization] = await holder.rows('authorizations');
      const [amendment] = await amendments(holder);
      ids.push([formatId('authorization', String(authorization?.id)), formatId('amendment', String(amendment?.id))]);
    }
    const key = await desk.keyOf(one);
    const [[mine, myAmendment], [theirs, theirAmendment]] = ids as [[string, string], [string, string]];
    await desk.get(key, `/v1/authorizations/${mine}/amendments/${myAmendment}/explain`).expect(200);
    for (const route of [
      `/v1/authorizations/${theirs}/amendments`,
      `/v1/authorizations/${theirs}/amendments/${theirAmendment}/explain`,
      `/v1/authorizations/${theirs}/amendments/${theirAmendment}/receipt`,
      `/v1/authorizations/${mine}/amendments/${theirAmendment}/receipt`,
      `/v1/authorizations/${mine}/amendments/${theirAmendment}/explain`,
    ]) {
      await desk.get(key, route).expect(404);
    }
    const second = one.purchase();
    await second.ask(1_000);
    const another = (await one.rows('authorizations')).at(-1);
    await desk
      .get(
        key,
        `/v1/authorizations/${formatId('authorization', String(another?.id))}/amendments/${myAmendment}/receipt`,
      )
      .expect(404);
  });
});

test('more that a loan pays for is the same again', async () => {
  const holder = await network.cardholder({
    funds: { USDC: 20n * USDC },
    collateral: { WETH: 10n ** 18n },
    credit: true,
    fundingPolicy: fundingPolicyForMode('automatic', ['USDC']),
  });
  const purchase = holder.purchase();
  await purchase.ask(1_000);
  await purchase.ask(3_000);
  expect(await holder.rows('funding_legs', 'ordinal')).toMatchObject([
    { kind: 'stablecoin_sale' },
    { kind: 'stablecoin_sale' },
    { kind: 'loan_draw' },
  ]);
  expect(await desk.sameAgain(holder)).toBe(1);
});
