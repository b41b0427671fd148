import { randomUUID } from 'node:crypto';
import { amendAuthorization } from '../../../../services/authorizations/amend-authorization';
import { voidUnheardAuthorization } from '../../../../services/authorizations/void-unheard-authorization';
import { createKnex } from '../../../../services/database/knex';
import { systemClock } from '../../../../services/shared/clock';
import { purchase as requestOf } from '../../../builders/spending-world';
import { testSealer } from '../../../builders/test-authorizer';
import { type Cardholder, type Lifecycle, type LithicPurchase, startLifecycle, TAKES_PARTIAL, USDC } from './network';
import { openReceiptDesk } from './receipt-desk';

/** The network did not hear our answer to an increment; what it knows of the purchase is 100.00. */
const NOT_HEARD = { result: 'UNKNOWN_HOST_TIMEOUT', detailedResults: ['CUSTOMER_ASA_TIMEOUT'], holdLeft: 10_000 };

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

test('an increment adds to the hold as a part of the same purchase', async () => {
  const holder = await network.cardholder({ policy: { limits: { day_amount: '20000', day_count: 1 } } });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  expect(await purchase.ask(5_000)).toEqual({ result: 'APPROVED' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 15_000n,
    held: 15_000n,
    free: 350n * USDC,
    counted: ['15000', 1],
  });
  expect(await holder.rows('authorizations')).toHaveLength(1);
  expect((await holder.rows('funding_legs', 'ordinal')).map((leg) => leg.ordinal)).toEqual([0, 1]);
  expect(await holder.told()).toEqual(['authorization.approved', 'authorization.incremented']);
  await purchase.tell('CLEARING', 15_000);
  expect(await holder.books(purchase)).toMatchObject({
    state: 'cleared',
    held: 0n,
    owedToNetwork: 15_000n,
    overdue: 0n,
  });
});

test('a declined increment leaves the first hold as it is', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(40_000);
  expect(await purchase.ask(20_000)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 40_000n,
    held: 40_000n,
    free: 100n * USDC,
    counted: ['40000', 1],
  });
  expect(await holder.told()).toEqual(['authorization.approved', 'authorization.increment_declined']);
});

test('the limit per transaction is for the purchase with its increments', async () => {
  const holder = await network.cardholder({ policy: { limits: { per_transaction_amount: '12000' } } });
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  expect(await purchase.ask(2_001)).toEqual({ result: 'VELOCITY_EXCEEDED' });
  expect(await purchase.ask(2_000)).toEqual({ result: 'APPROVED' });
  expect(await holder.books(purchase)).toMatchObject({ approved: 12_000n });
});

test('an increment may be approved in part where the terminal can take less', async () => {
  const holder = await network.cardholder({ policy: { partial_approvals: true } });
  const purchase = holder.purchase(TAKES_PARTIAL);
  await purchase.ask(45_000);
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED', approved_amount: 5_000 });
  expect(await holder.books(purchase)).toMatchObject({
    approved: 50_000n,
    held: 50_000n,
    free: 0n,
    counted: ['50000', 1],
  });
});

test('the same increment twice is one; with other content it is refused', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(5_000);
  const { lastBody, lastEventToken } = purchase;
  const again = await Promise.all(Array.from({ length: 5 }, () => purchase.ask(0, { body: lastBody })));
  expect(new Set(again.map((answer) => answer.result))).toEqual(new Set(['APPROVED']));
  expect(await purchase.ask(6_000, { eventToken: lastEventToken })).toEqual({ result: 'SUSPECTED_FRAUD' });
  expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_000n, free: 350n * USDC });
});

test('increments at once: as many as the account covers, none lost or doubled', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  const answers = await Promise.all(Array.from({ length: 8 }, () => purchase.ask(7_500)));
  expect(answers.filter((answer) => answer.result === 'APPROVED')).toHaveLength(5);
  expect(await holder.books(purchase)).toMatchObject({ approved: 47_500n, held: 47_500n, free: 25n * USDC });
});

test('nothing more is asked only to keep the hold: its days start anew', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await network.tested.sql.query(
    "UPDATE authorizations SET expires_at = now() + interval '1 hour' WHERE organization_id = $1",
    [holder.organizationId],
  );
  expect(await purchase.ask(0)).toEqual({ result: 'APPROVED' });
  const [row] = await holder.rows('authorizations');
  expect(Number(row?.expires_at) - Date.now()).toBeGreaterThan(6 * 86_400_000);
  expect(await holder.books(purchase)).toMatchObject({ approved: 10_000n, held: 10_000n, counted: ['10000', 1] });
});

const ENDS: readonly (readonly [string, (purchase: LithicPurchase) => Promise<void>, Record<string, unknown>])[] = [
  ['cleared', (purchase) => purchase.tell('CLEARING', 8_000), { cleared: 8_000n, counted: ['13000', 2] }],
  ['reversed', (purchase) => purchase.tell('AUTHORIZATION_REVERSAL', 10_000), { cleared: 0n, counted: ['5000', 1] }],
  ['expired', (purchase) => purchase.tell('AUTHORIZATION_EXPIRY', 10_000), { cleared: 0n, counted: ['5000', 1] }],
];

test.each(ENDS)('only a total that is told opens a purchase again that was %s', async (state, end, expected) => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await end(purchase);
  expect(await purchase.ask(5_000)).toEqual({ result: 'DO_NOT_HONOR' });
  const { cleared } = await holder.books(purchase);
  expect(await holder.books(purchase)).toMatchObject({ state, held: 0n });
  await purchase.tell('AUTHORIZATION_ADVICE', Number(cleared) + 5_000, { polarity: 'DEBIT', holdLeft: 5_000 });
  const books = await holder.books(purchase);
  expect(books).toMatchObject({ held: 5_000n, ...expected });
  expect(books.approved - books.reversed - books.cleared).toBe(5_000n);
  expect(books.state).toBe(books.cleared > 0n ? 'partially_cleared' : 'pending');
  await purchase.tell('CLEARING', 5_000);
  expect(await holder.books(purchase)).toMatchObject({ state: 'cleared', held: 0n, overdue: 0n });
});

test('a purchase that was declined may be asked for again under its own number', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  expect(await purchase.ask(60_000)).toEqual({ result: 'INSUFFICIENT_FUNDS' });
  const { lastBody } = purchase;
  expect(await purchase.ask(20_000)).toEqual({ result: 'APPROVED' });
  expect(await holder.books(purchase)).toMatchObject({
    state: 'pending',
    approved: 20_000n,
    held: 20_000n,
    counted: ['20000', 1],
  });
  expect(await purchase.ask(0, { body: lastBody })).toEqual({ result: 'INSUFFICIENT_FUNDS' });
});

test('an increment that the network did not hear approved gives back its own part only', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(5_000);
  await purchase.tell('AUTHORIZATION', 5_000, { ...NOT_HEARD, token: purchase.lastEventToken });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n, counted: ['10000', 1] });
});

test('an increment that we declined, or never got, takes nothing of the first hold when it was not heard', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(60_000);
  await purchase.tell('AUTHORIZATION', 60_000, { ...NOT_HEARD, token: purchase.lastEventToken });
  await purchase.tell('AUTHORIZATION', 7_000, { ...NOT_HEARD, token: randomUUID() });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', approved: 10_000n, held: 10_000n });
});

test('an increment of another purchase that was not heard takes nothing of this one', async () => {
  const holder = await network.cardholder();
  const [purchase, other] = [holder.purchase(), holder.purchase()];
  await purchase.ask(10_000);
  await other.ask(10_000);
  await other.ask(5_000);
  await purchase.tell('AUTHORIZATION', 5_000, { ...NOT_HEARD, token: other.lastEventToken });
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', approved: 10_000n, reversed: 0n });
  expect(await holder.books(other)).toMatchObject({ state: 'pending', approved: 15_000n, reversed: 0n });
});

describe('from a processor that sends new totals, or asks after it went ahead', () => {
  async function amend(holder: Cardholder, cents: bigint, overrides: Parameters<typeof requestOf>[2] = {}) {
    const [row] = await holder.rows('authorizations');
    const knex = createKnex(network.tested.database.urls.escudo_app, 1, 'amend-test');
    const known = {
      organizationId: holder.organizationId,
      accountId: holder.accountId,
      cardId: holder.cardId,
      authorizationId: String(row?.id),
    };
    const request = requestOf(holder, cents, { amountBasis: 'total', ...overrides });
    try {
      return await amendAuthorization(
        { knex, clock: systemClock, sealer: testSealer(), partner: null },
        request,
        known,
      );
    } finally {
      await knex.destroy();
    }
  }

  /** What comes of its decisions when they are taken again; their seals are those of the test's own key. */
  async function replayedAnswers(holder: Cardholder): Promise<readonly string[]> {
    const desk = openReceiptDesk(network);
    try {
      return (await desk.replayed(holder)).map(({ answer }) => answer);
    } finally {
      await desk.end();
    }
  }

  test('a higher total holds the difference and is answered whole', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    expect(await amend(holder, 14_000n)).toMatchObject({ outcome: 'approved', approvedAmount: 14_000n });
    expect(await holder.books(purchase)).toMatchObject({ approved: 14_000n, held: 14_000n, free: 360n * USDC });
  });

  test('a lower total gives back like a reversal of the difference', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    expect(await amend(holder, 6_000n)).toMatchObject({ outcome: 'approved', approvedAmount: 6_000n });
    expect(await holder.books(purchase)).toMatchObject({
      state: 'pending',
      reversed: 4_000n,
      held: 6_000n,
      free: 440n * USDC,
      counted: ['6000', 1],
    });
  });

  test('a total a cent less, the same and a cent more each leave their answer', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    for (const total of [9_999n, 9_999n, 10_000n]) {
      expect(await amend(holder, total)).toMatchObject({ outcome: 'approved', approvedAmount: total });
    }
    expect(await holder.rows('authorization_amendments')).toMatchObject([
      { total_before: 10_000n, requested_amount: 0n, granted: 0n, given_back: 1n, answer_state: null },
      { total_before: 9_999n, requested_amount: 0n, granted: 0n, given_back: null },
      { total_before: 9_999n, requested_amount: 1n, granted: 1n, given_back: null, answer_state: 'awaited' },
    ]);
    expect(await replayedAnswers(holder)).toEqual(['same', 'same', 'same', 'same']);
  });

  test('a lower total that the network did not hear answered gives back no more than it did', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    const messageId = randomUUID();
    await amend(holder, 6_000n, { messageId });
    const before = await holder.books(purchase);
    await purchase.tell('AUTHORIZATION', 6_000, { ...NOT_HEARD, token: messageId });
    expect(await holder.books(purchase)).toEqual(before);
  });

  describe('and did not hear the first approval', () => {
    async function begun() {
      const holder = await network.cardholder();
      const purchase = holder.purchase();
      await purchase.ask(10_000);
      return { holder, purchase, firstToken: purchase.lastEventToken };
    }

    /** The sweeper and the network's own event, as both may come. */
    async function giveBackFirst({ holder, purchase, firstToken }: Awaited<ReturnType<typeof begun>>) {
      const [row] = await holder.rows('authorizations');
      const purchaseOf = { organizationId: holder.organizationId, authorizationId: String(row?.id) };
      await voidUnheardAuthorization(
        { knex: network.knex, clock: systemClock },
        { ...purchaseOf, standing: 'declined' },
      );
      await purchase.tell('AUTHORIZATION', 10_000, { ...NOT_HEARD, token: firstToken });
    }

    test.each([14_000n, 10_000n, 6_000n])('a total that was approved since keeps all of it: %p', async (total) => {
      const first = await begun();
      expect(await amend(first.holder, total)).toMatchObject({ outcome: 'approved' });
      const before = await first.holder.books(first.purchase);
      expect(before).toMatchObject({ held: total });
      await giveBackFirst(first);
      expect(await first.holder.books(first.purchase)).toEqual(before);
    });

    test('a total that was declined keeps nothing', async () => {
      const first = await begun();
      expect(await amend(first.holder, 90_000n)).toMatchObject({ outcome: 'declined' });
      await giveBackFirst(first);
      expect(await first.holder.books(first.purchase)).toMatchObject({
        state: 'reversed',
        held: 0n,
        counted: ['0', 0],
      });
    });

    test('a total that was not heard either keeps nothing', async () => {
      const first = await begun();
      const messageId = randomUUID();
      await amend(first.holder, 14_000n, { messageId });
      await first.purchase.tell('AUTHORIZATION', 14_000, { ...NOT_HEARD, token: messageId });
      await giveBackFirst(first);
      expect(await first.holder.books(first.purchase)).toMatchObject({
        state: 'reversed',
        held: 0n,
        counted: ['0', 0],
      });
    });

    test('an amount on top keeps only itself', async () => {
      const first = await begun();
      await amend(first.holder, 4_000n, { amountBasis: 'delta' });
      await giveBackFirst(first);
      expect(await first.holder.books(first.purchase)).toMatchObject({
        state: 'pending',
        reversed: 10_000n,
        held: 4_000n,
      });
    });
  });

  test('an advice is answered yes whatever we would have said, and held as far as the account covers it', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(40_000);
    expect(await amend(holder, 70_000n, { kind: 'advice' })).toMatchObject({
      outcome: 'approved',
      approvedAmount: 70_000n,
    });
    expect(await holder.books(purchase)).toMatchObject({
      approved: 70_000n,
      held: 50_000n,
      free: 0n,
      counted: ['70000', 1],
    });
  });

  test('past its time nothing is held, and the decline is what a repetition gets', async () => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    const late = { respondBy: new Date(Date.now() - 1), messageId: 'late-message', contentHash: 'late-content' };
    expect(await amend(holder, 14_000n, late)).toMatchObject({ outcome: 'declined', declineReason: 'late' });
    expect(await amend(holder, 14_000n, { ...late, respondBy: new Date(Date.now() + 60_000) })).toMatchObject({
      outcome: 'declined',
      declineReason: 'late',
    });
    expect(await holder.books(purchase)).toMatchObject({ approved: 10_000n, held: 10_000n, free: 400n * USDC });
  });

  test.each([
    ['authorization', 14_000n, 4_000n],
    ['authorization', 9_000n, 0n],
    ['cash_withdrawal', 14_000n, 4_000n],
    ['advice', 14_000n, 4_000n],
    ['balance_inquiry', 0n, 0n],
    ['refund_authorization', 2_000n, 2_000n],
  ] as const)('%s of %s past its time leaves its answer, and nothing else', async (kind, amount, requested) => {
    const holder = await network.cardholder();
    const purchase = holder.purchase();
    await purchase.ask(10_000);
    const before = await holder.books(purchase);
    const late = { kind, respondBy: new Date(Date.now() - 1) };
    expect(await amend(holder, amount, late)).toMatchObject({ outcome: 'declined', declineReason: 'late' });
    expect(await holder.books(purchase)).toEqual(before);
    expect(await holder.rows('authorization_amendments')).toMatchObject([
      { kind, outcome: 'declined', requested_amount: requested, granted: 0n, given_back: null, answer_state: null },
    ]);
    expect(await replayedAnswers(holder)).toEqual(['same', 'same']);
  });
});
