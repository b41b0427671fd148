import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { replayFromArguments } from '../../../../services/replay';
import { required } from '../../../../services/shared/assert';
import { formatId } from '../../../../services/shared/ids';
import { type Answer, type Cardholder, type Lifecycle, LithicPurchase, startLifecycle } from './network';
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

type Options = Parameters<Lifecycle['cardholder']>[0];

/** What is on record of an answer: kind, outcome, reason, cents of the purchase before, asked for, approved, given back. */
type OnRecord = readonly [string, string, string | null, number, number, number, number | null];

async function onRecord(holder: Cardholder): Promise<readonly OnRecord[]> {
  return (await holder.rows('authorization_amendments')).map((row) => [
    String(row.kind),
    String(row.outcome),
    row.decline_reason === null ? null : String(row.decline_reason),
    Number(row.total_before),
    Number(row.requested_amount),
    Number(row.granted),
    row.given_back === null ? null : Number(row.given_back),
  ]);
}

function advise(purchase: LithicPurchase, cents: number, at = new Date()): Promise<void> {
  return purchase.tell('AUTHORIZATION_ADVICE', cents, { polarity: 'DEBIT', holdLeft: cents, at });
}

/** Asks while another transaction has the account, and is let in only after the time for its answer has passed. */
async function askTooLate(holder: Cardholder, ask: () => Promise<Answer>): Promise<Answer> {
  const blocker = new Client({ connectionString: network.tested.database.superuserUrl });
  await blocker.connect();
  try {
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE', [holder.accountId]);
    const answer = ask();
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while ((await network.tested.sql.query(waiting)).rows.length === 0) await sleep(10);
    await sleep(2_510);
    const told = (await network.tested.sql.query('SELECT count(*)::int AS n FROM card_messages')).rows[0].n;
    await blocker.query('COMMIT');
    const recorded = `SELECT 1 FROM card_messages HAVING count(*) > ${told}`;
    while ((await network.tested.sql.query(recorded)).rows.length === 0) await sleep(10);
    return await answer;
  } finally {
    await blocker.end();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const STORIES: readonly (readonly [
  string,
  Options,
  (purchase: LithicPurchase, holder: Cardholder) => Promise<void>,
  readonly OnRecord[],
])[] = [
  [
    'a total that is a cent more, the same, and a cent less',
    {},
    async (purchase) => {
      await purchase.ask(10_000);
      await advise(purchase, 10_001);
      await advise(purchase, 10_001);
      await advise(purchase, 10_000);
    },
    [
      ['advice', 'approved', null, 10_000, 1, 1, null],
      ['advice', 'approved', null, 10_001, 0, 0, 0],
      ['advice', 'approved', null, 10_001, 0, 0, 1],
    ],
  ],
  [
    'totals below, at and above what was cleared: no more is given back than is not',
    {},
    async (purchase) => {
      await purchase.ask(10_000);
      await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
      await advise(purchase, 3_999);
      await advise(purchase, 4_000);
      await advise(purchase, 4_001);
    },
    [
      ['advice', 'approved', null, 10_000, 0, 0, 6_000],
      ['advice', 'approved', null, 4_000, 0, 0, 0],
      ['advice', 'approved', null, 4_000, 1, 1, null],
    ],
  ],
  [
    'a total of nothing, and again once nothing is left',
    {},
    async (purchase) => {
      await purchase.ask(10_000);
      await advise(purchase, 0);
      await advise(purchase, 0);
    },
    [
      ['advice', 'approved', null, 10_000, 0, 0, 10_000],
      ['advice', 'approved', null, 0, 0, 0, 0],
    ],
  ],
  [
    'an increment from just before the last total, and one from its very millisecond',
    {},
    async (purchase) => {
      const total = new Date();
      const before = new Date(total.getTime() - 1);
      await purchase.ask(10_000, { overrides: { created: before.toISOString() } });
      await advise(purchase, 12_000, total);
      expect(await purchase.ask(1_000, { overrides: { created: before.toISOString() } })).toEqual({
        result: 'DO_NOT_HONOR',
      });
      expect(await purchase.ask(1_000, { overrides: { created: total.toISOString() } })).toEqual({
        result: 'APPROVED',
      });
    },
    [
      ['advice', 'approved', null, 10_000, 2_000, 2_000, null],
      ['authorization', 'declined', 'late', 12_000, 1_000, 0, null],
      ['authorization', 'approved', null, 12_000, 1_000, 1_000, null],
    ],
  ],
  [
    'an increment whose time had passed, on a purchase that had ended too',
    {},
    async (purchase, holder) => {
      await purchase.ask(10_000);
      expect(await askTooLate(holder, () => purchase.ask(1_000))).toEqual({ result: 'DO_NOT_HONOR' });
      const { lastBody } = purchase;
      await purchase.tell('CLEARING', 10_000);
      expect(await askTooLate(holder, () => purchase.ask(2_000))).toEqual({ result: 'DO_NOT_HONOR' });
      expect(await purchase.ask(0, { body: lastBody })).toEqual({ result: 'DO_NOT_HONOR' });
    },
    [
      ['authorization', 'declined', 'late', 10_000, 1_000, 0, null],
      ['authorization', 'declined', 'late', 10_000, 2_000, 0, null],
    ],
  ],
  [
    'a balance inquiry: what the account may spend, whatever the purchase has of its limits',
    { policy: { limits: { per_transaction_amount: '20000' } } },
    async (purchase) => {
      await purchase.ask(15_000);
      expect(await purchase.ask(0, { status: 'BALANCE_INQUIRY' })).toMatchObject({ balance: { amount: 20_000 } });
      await purchase.tell('CLEARING', 15_000);
      expect(await purchase.ask(0, { status: 'BALANCE_INQUIRY' })).toMatchObject({ balance: { amount: 20_000 } });
    },
    [
      ['balance_inquiry', 'approved', null, 15_000, 0, 0, null],
      ['balance_inquiry', 'approved', null, 15_000, 0, 0, null],
    ],
  ],
  [
    'a balance inquiry that a control of the card refuses, which would let the purchase go on',
    {},
    async (purchase, holder) => {
      await purchase.ask(10_000);
      await network.tested.sql.query('UPDATE cards SET controls = $2 WHERE id = $1', [
        holder.cardId,
        JSON.stringify({ single_use: true }),
      ]);
      expect(await purchase.ask(0, { status: 'BALANCE_INQUIRY' })).toMatchObject({
        result: expect.not.stringMatching('APPROVED'),
      });
      expect(await purchase.ask(1_000)).toEqual({ result: 'APPROVED' });
    },
    [
      ['balance_inquiry', 'declined', 'single_use_spent', 10_000, 0, 0, null],
      ['authorization', 'approved', null, 10_000, 1_000, 1_000, null],
    ],
  ],
  [
    'a check of no amount',
    {},
    async (purchase) => {
      await purchase.ask(10_000);
      expect(await purchase.ask(0)).toEqual({ result: 'APPROVED' });
    },
    [['zero_amount_verification', 'approved', null, 10_000, 0, 0, null]],
  ],
  [
    'a refund that is asked for, on a closed card too',
    {},
    async (purchase, holder) => {
      await purchase.ask(10_000);
      await network.tested.sql.query("UPDATE cards SET state = 'closed' WHERE id = $1", [holder.cardId]);
      expect(await purchase.ask(-2_000, { status: 'CREDIT_AUTHORIZATION' })).toEqual({ result: 'APPROVED' });
    },
    [['refund_authorization', 'approved', null, 10_000, 2_000, 0, null]],
  ],
];

test.each(STORIES)(
  '%s: each answer is on record once, the same when taken again',
  async (_, options, story, expected) => {
    const holder = await network.cardholder(options);
    const purchase = holder.purchase();
    await story(purchase, holder);
    expect(await onRecord(holder)).toEqual(expected);
    expect(await desk.sameAgain(holder)).toBe(expected.length);
    const last = required((await holder.rows('authorization_amendments')).at(-1), 'the last answer');
    if (last.kind === 'advice') return;
    const [books, told] = [await holder.books(purchase), await holder.told()];
    await purchase.ask(0, { body: purchase.lastBody });
    expect(await onRecord(holder)).toEqual(expected);
    expect([await holder.books(purchase), await holder.told()]).toEqual([books, told]);
  },
);

test('what came too late has nothing that could be taken back: the network was not heard by either', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  const { token } = purchase;
  await askTooLate(holder, () => purchase.ask(1_000));
  const [books, told, record] = [await holder.books(purchase), await holder.told(), await onRecord(holder)];
  await purchase.tell('AUTHORIZATION', 1_000, {
    result: 'UNKNOWN_HOST_TIMEOUT',
    detailedResults: ['CUSTOMER_ASA_TIMEOUT'],
    holdLeft: 10_000,
    token: purchase.lastEventToken,
  });
  expect(purchase.token).toBe(token);
  expect([await holder.books(purchase), await holder.told(), await onRecord(holder)]).toEqual([books, told, record]);
  expect(await holder.rows('authorization_amendments')).toMatchObject([{ answer_state: null }]);
  expect(await desk.sameAgain(holder)).toBe(1);
});

/** Another card of the holder's account, as after the first one was replaced. */
async function anotherCard(holder: Cardholder) {
  const { sql } = network.tested;
  const [cardId, cardToken] = [randomUUID(), randomUUID()];
  await sql.query(
    `INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor, card_token, last_four, network, expiry_month, expiry_year, controls)
     SELECT organization_id, $2, account_id, program_id, cardholder_id, state, processor, $3, last_four, network, expiry_month, expiry_year, controls
     FROM cards WHERE id = $1`,
    [holder.cardId, cardId, cardToken],
  );
  await sql.query(
    'INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id) VALUES ($1, $2, $3, $4, $5)',
    ['lithic', cardToken, holder.organizationId, cardId, holder.accountId],
  );
  return {
    cardId,
    /** The same purchase, as messages under this card name it. */
    on: (purchase: LithicPurchase) =>
      Object.assign(new LithicPurchase(network.tested, { ...holder, cardToken }), { token: purchase.token }),
  };
}

/** What either card has spent today, as its own limits count it. */
async function spentByCard(holder: Cardholder): Promise<Readonly<Record<string, unknown>>> {
  const counters = (await holder.rows('limit_counters', 'scope_id')) as {
    scope_id: string;
    windows: { day: unknown[] };
  }[];
  return Object.fromEntries(counters.map(({ scope_id, windows }) => [scope_id, windows.day[1]]));
}

test('a total that is told of another card of the account is on record under that card, and counted on it', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  const { cardId, on } = await anotherCard(holder);
  const other = on(purchase);
  await advise(other, 9_999);
  await advise(other, 10_000);
  expect(await holder.rows('authorization_amendments')).toMatchObject([{ card_id: cardId }, { card_id: cardId }]);
  expect(await desk.sameAgain(holder)).toBe(2);
  expect(await spentByCard(holder)).toEqual({ [holder.cardId]: '9999', [cardId]: '1' });
});

test.each<
  readonly [what: string, cents: number, end: (purchase: LithicPurchase) => Promise<void>, left: [number, number]]
>([
  ['a whole reversal', 15_000, (purchase) => purchase.tell('AUTHORIZATION_REVERSAL', 15_000), [0, 0]],
  [
    'a reversal of part',
    15_000,
    (purchase) => purchase.tell('AUTHORIZATION_REVERSAL', 6_000, { holdLeft: 9_000 }),
    [9_000, 0],
  ],
  ['a last clearing of less', 15_000, (purchase) => purchase.tell('CLEARING', 12_000), [10_000, 2_000]],
  ['an expiry', 15_000, (purchase) => purchase.tell('AUTHORIZATION_EXPIRY', 15_000), [0, 0]],
])('%s gives limit use back to the card that it was counted on', async (_, cents, end, [first, second]) => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  const { cardId, on } = await anotherCard(holder);
  await on(purchase).ask(cents - 10_000);
  expect(await spentByCard(holder)).toEqual({ [holder.cardId]: '10000', [cardId]: '5000' });
  await end(purchase);
  expect(await spentByCard(holder)).toEqual({ [holder.cardId]: String(first), [cardId]: String(second) });
  expect((await holder.books(purchase)).counted[0]).toBe(String(first + second));
});

test('a purchase that began with what the network told gives limit use back to the cards that it was counted on', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await advise(purchase, 10_000);
  const { cardId, on } = await anotherCard(holder);
  await advise(on(purchase), 15_000);
  expect(await spentByCard(holder)).toEqual({ [holder.cardId]: '10000', [cardId]: '5000' });
  await purchase.tell('AUTHORIZATION_REVERSAL', 15_000, { at: new Date(Date.now() + 1_000) });
  expect(await spentByCard(holder)).toEqual({ [holder.cardId]: '0', [cardId]: '0' });
});

test('what was approved on top another day is given back to that day', async () => {
  const { sql } = network.tested;
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  // As it is two days later: today nothing has been spent yet.
  await sql.query("UPDATE authorizations SET created_at = created_at - interval '2 days' WHERE organization_id = $1", [
    holder.organizationId,
  ]);
  const emptied = (column: string) => `jsonb_set(jsonb_set(${column}::jsonb, '{day,1}', '"0"'), '{day,2}', '0')::json`;
  await sql.query(
    `UPDATE accounts SET spend_counters = ${emptied('spend_counters')}, version = version + 1 WHERE organization_id = $1`,
    [holder.organizationId],
  );
  await sql.query(`UPDATE limit_counters SET windows = ${emptied('windows')} WHERE organization_id = $1`, [
    holder.organizationId,
  ]);
  await purchase.ask(5_000);
  expect((await holder.books(purchase)).counted).toEqual(['5000', 0]);
  await purchase.tell('AUTHORIZATION_REVERSAL', 15_000);
  expect((await holder.books(purchase)).counted).toEqual(['0', 0]);
  expect(await spentByCard(holder)).toEqual({ [holder.cardId]: '0' });
});

test.each([
  ['what was given back', 'given_back = 1999', 'row given back'],
  ['that anything was', 'given_back = NULL', 'row given back'],
  ['what was told', `receipt = replace(receipt, '"told":"8000"', '"told":"8001"')`, 'given_back'],
  ['what had been cleared', `receipt = replace(receipt, '"cleared":"0"', '"cleared":"8001"')`, 'given_back'],
  ['what it came to', `receipt = replace(receipt, '"approved":"10000"', '"approved":"9999"')`, 'given_back'],
])('of a lower total, %s cannot be changed without being seen', async (_, change, field) => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await advise(purchase, 8_000);
  await network.tested.sql.query(`UPDATE authorization_amendments SET ${change} WHERE organization_id = $1`, [
    holder.organizationId,
  ]);
  const [changed] = (await desk.replayed(holder)).filter(({ amendmentId }) => amendmentId !== null);
  expect(changed?.answer).toBe('different');
  expect(changed?.differences.map((difference) => difference.field)).toContain(field);
  expect(changed?.seal).toBe(change.startsWith('receipt') ? 'broken' : 'verified');
});

test.each([
  ['when it was asked', "occurred_at = occurred_at + interval '1 second'", 'row occurred at'],
  ['until when its answer was waited for', "respond_by = respond_by + interval '1 second'", 'row respond by'],
  ['that a total had been told since', `receipt = regexp_replace(receipt, '"advised":"[^"]+",', '')`, 'result'],
])('of an answer that came too late, %s cannot be changed without being seen', async (_, change, field) => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await advise(purchase, 10_000);
  await purchase.ask(1_000, { overrides: { created: new Date(Date.now() - 8_000).toISOString() } });
  await network.tested.sql.query(`UPDATE authorization_amendments SET ${change} WHERE organization_id = $1`, [
    holder.organizationId,
  ]);
  const [changed] = (await desk.replayed(holder)).filter(({ amendmentId }) => amendmentId !== null);
  expect(changed).toMatchObject({ answer: 'different' });
  expect(changed?.differences.map((difference) => difference.field)).toContain(field);
});

test('they are listed, explained in words and verified without us', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(0, { status: 'BALANCE_INQUIRY' });
  await purchase.ask(-2_000, { status: 'CREDIT_AUTHORIZATION' });
  await askTooLate(holder, () => purchase.ask(500));
  await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
  await advise(purchase, 6_000);
  await advise(purchase, 6_000);
  await purchase.ask(700, { overrides: { created: new Date(Date.now() - 8_000).toISOString() } });

  const key = await desk.keyOf(holder);
  const id = formatId('authorization', String((await holder.rows('authorizations'))[0]?.id));
  const base = `/v1/authorizations/${id}`;
  const { body: list } = await desk.get(key, `${base}/amendments`).expect(200);
  const usd = (amount: string) => ({ amount, asset: 'USD' });
  const nothing = { requested: usd('0.00'), approved: usd('0.00'), given_back: usd('0.00'), answer: null };
  expect(list.data).toMatchObject([
    {
      ...nothing,
      kind: 'authorization',
      decline: { reason: 'late' },
      requested: usd('7.00'),
      total_before: usd('60.00'),
    },
    { ...nothing, kind: 'advice', outcome: 'approved', total_before: usd('60.00') },
    { ...nothing, kind: 'advice', outcome: 'approved', total_before: usd('100.00'), given_back: usd('40.00') },
    { ...nothing, kind: 'authorization', decline: { reason: 'late' }, requested: usd('5.00') },
    { ...nothing, kind: 'refund_authorization', outcome: 'approved', requested: usd('20.00') },
    { ...nothing, kind: 'balance_inquiry', outcome: 'approved' },
  ]);

  const { body: keys } = await desk.get(key, '/v1/receipt-keys').expect(200);
  const explained: { text: { cardholder: string; support: string }; checks: { check: string; result: string }[] }[] =
    [];
  for (const amendment of list.data as { id: string; given_back: unknown }[]) {
    const { body: receipt } = await desk.get(key, `${base}/amendments/${amendment.id}/receipt`).expect(200);
    expect(desk.verifyOffline(receipt, keys)).toMatchObject({ status: 0, text: expect.stringContaining('is genuine') });
    const { body } = await desk.get(key, `${base}/amendments/${amendment.id}/explain`).expect(200);
    expect(body).toMatchObject({ given_back: amendment.given_back, receipt: { verified: true, same_answer: true } });
    explained.push(body);
  }
  expect(explained.map(({ text }) => text.cardholder)).toEqual([
    'This is about 7.00 USD on top of a purchase of 60.00 USD. The shop has said since what the purchase comes to, and this is a part of that.',
    'The shop said that a purchase of 60.00 USD comes to 60.00 USD. Nothing changes by that.',
    'The shop said that a purchase of 100.00 USD comes to 60.00 USD. What was set aside for 40.00 USD of it is yours to spend again.',
    'This is about 5.00 USD on top of a purchase of 100.00 USD. The answer took too long, so nothing was changed. Please try again.',
    'This was asked along with a purchase of 100.00 USD. 20.00 USD was approved. Money comes back to you once the shop sends it.',
    'This was asked along with a purchase of 100.00 USD. You asked how much you can spend: 400.00 USD.',
  ]);
  const failed = explained.map(({ checks }) =>
    checks.flatMap(({ check, result }) => (result === 'failed' ? [check] : [])),
  );
  expect(failed).toEqual([['still_wanted'], [], [], ['in_time'], [], []]);
  // What came too late was read, and looked at no further.
  const reached = ({ checks }: (typeof explained)[number]) => checks.filter(({ result }) => result !== 'not_reached');
  expect(explained.map((each) => reached(each).length)).toEqual([2, 13, 13, 2, 13, 13]);
  expect(explained[3]?.text.support).not.toContain('largest');

  const written: string[] = [];
  const output = { write: (text: string) => void written.push(text) };
  expect(await replayFromArguments([id], network.tested.database.urls.escudo_readonly, output)).toBe(0);
  expect(written.join('')).toContain('7 decisions taken again');
});
