import { createHmac, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { required } from '../../../services/shared/assert';
import { brokenBooks } from '../../builders/books';
import { lithicRequest } from '../../builders/lithic-request';
import { createSpendingWorld, type SpendingWorld, type WorldAccount } from '../../builders/spending-world';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';

const ASA = '/processors/lithic/authorizations';
const USDC = 1_000_000n;

/** Tables in which a refusal that is ours to decide is put on record; all others stay as they are to the letter. */
const RECORD_OF_DECISIONS = ['authorizations', 'card_messages', 'events', 'receipt_batches'];
/** Columns that say that a row was looked at, not what it says. */
const TRACES = ['version', 'updated_at'];

let tested: ApiUnderTest;
let world: SpendingWorld;
let account: WorldAccount;

beforeAll(async () => {
  tested = await startApiUnderTest();
});

beforeEach(async () => {
  world = await createSpendingWorld(tested.database.superuserUrl, {
    accounts: 3,
    funds: { USDC: 500n * USDC },
    policy: { limits: {} },
  });
  account = holder(0);
  // One purchase that stands, so that there is something to disturb.
  expect(await send(purchase({}, 2_000))).toMatchObject({ status: 200, result: 'APPROVED' });
  // What the process does after its answers (marking them as given) has come to rest before tables are compared.
  await settled();
});

afterEach(async () => {
  expect(await brokenBooks(tested.sql, world.organizationId)).toEqual([]);
});

afterAll(async () => {
  await tested.end();
});

function holder(index: number): WorldAccount {
  return required(world.accounts[index], 'account');
}

function purchase(overrides: Record<string, unknown> = {}, cents: unknown = 4_250, of: WorldAccount = account) {
  return lithicRequest(of.cardToken, cents, overrides);
}

interface Answer {
  readonly status: number;
  /** The processor's own word; null where the answer has none. */
  readonly result: string | null;
}

/** By hand, because libraries sign texts and not every body is one. */
function signatureOf(secret: string, id: string, at: Date, raw: Buffer): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signed = createHmac('sha256', key)
    .update(`${id}.${Math.floor(at.getTime() / 1000)}.`)
    .update(raw);
  return `v1,${signed.digest('base64')}`;
}

/** Sends bytes as they are, signed unless told otherwise. */
async function send(
  body: object | string | Buffer,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly secret?: string } = {},
): Promise<Answer> {
  const raw = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const id = `msg_${randomUUID()}`;
  const now = new Date();
  const headers = {
    'content-type': 'application/json',
    'content-length': String(raw.length),
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': signatureOf(options.secret ?? tested.asaSecret, id, now, raw),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${tested.url}${ASA}`, { method: 'POST', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, result: /"result":"(\w+)"/.exec(text)?.[1] ?? null });
      });
    });
    sent.once('error', reject);
    sent.end(raw);
  });
}

/** The content of every table, so that a change of any value shows and not only of a count. */
async function contents(except: readonly string[] = []): Promise<Record<string, string>> {
  const { rows } = await tested.sql.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'knex_%' ORDER BY 1`,
  );
  const found: Record<string, string> = {};
  for (const { name } of rows) {
    if (except.includes(name)) continue;
    const summed = await tested.sql.query<{ content: string }>(
      `SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(row, E'\\n' ORDER BY row), '')) AS content
       FROM (SELECT (to_jsonb(t) - $1::text[])::text AS row FROM ${name} t) AS rows`,
      [TRACES],
    );
    found[name] = required(summed.rows[0], name).content;
  }
  return found;
}

/** Waits until no table changes any more. */
async function settled(): Promise<void> {
  let before = '';
  for (let tries = 0; tries < 50; tries += 1) {
    const now = JSON.stringify(await contents());
    if (now === before) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the tables do not come to rest');
}

/** `send` changes nothing at all. */
async function changesNothing(work: () => Promise<void>): Promise<void> {
  const before = await contents();
  await work();
  await settled();
  expect(await contents()).toEqual(before);
}

/** The decline is put on record with its reason, and nothing else changes. */
async function isDeclinedOnRecord(body: object, result: string, reason: string): Promise<void> {
  const before = await contents(RECORD_OF_DECISIONS);
  const authorizations = () =>
    tested.sql
      .query('SELECT state, decline_reason, hold_amount FROM authorizations WHERE organization_id = $1 ORDER BY id', [
        world.organizationId,
      ])
      .then(({ rows }) => rows);
  const known = await authorizations();
  expect(await send(body)).toEqual({ status: 200, result });
  await settled();
  expect(await contents(RECORD_OF_DECISIONS)).toEqual(before);
  const after = await authorizations();
  expect(after.slice(0, known.length)).toEqual(known);
  expect(after.slice(known.length)).toEqual([{ state: 'declined', decline_reason: reason, hold_amount: 0n }]);
}

const LATIN_1 = Buffer.from([0x7b, 0x22, 0xe4, 0x22, 0x3a, 0x31, 0x7d]);

describe('what cannot be read is declined in the processor’s words and leaves no trace', () => {
  test.each<[string, string | Buffer]>([
    ['an empty body', ''],
    ['JSON cut off', '{"token":'],
    ['an empty object', '{}'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"APPROVED"'],
    ['a number', '42'],
    ['a form', 'token=1&status=AUTHORIZATION'],
    ['XML', '<authorization amount="42"/>'],
    ['bytes that are no UTF-8', LATIN_1],
    ['zero bytes', Buffer.alloc(64)],
    ['lists in lists without end', '['.repeat(100_000)],
  ])('%s', async (_name, body) => {
    await changesNothing(async () => {
      expect(await send(body)).toEqual({ status: 200, result: 'DO_NOT_HONOR' });
    });
  });

  test.each<[string, unknown]>([
    ['surplus decimals', 42.5],
    ['a hair too much', 4250.0000001],
    ['a negative amount', -4_250],
    ['an amount as text', '4250'],
    ['no amount', null],
    ['an amount beyond what JSON carries exactly', 2 ** 53],
    ['an amount beyond all measure', 1e300],
    ['an amount that is an object', { amount: 1 }],
  ])('%s', async (_name, cents) => {
    await changesNothing(async () => {
      expect(await send(purchase({}, cents))).toEqual({ status: 200, result: 'DO_NOT_HONOR' });
    });
  });

  test.each<[string, Record<string, unknown>]>([
    ['no card', { card: undefined }],
    ['no merchant', { merchant: undefined }],
    ['no amounts, neither new nor old', { amounts: undefined, authorization_amount: undefined }],
    ['cash below zero', { cash_amount: -1 }],
    ['a status that nobody published', { status: 'AUTHORISATION' }],
    ['a token of no length', { token: '' }],
    ['a token of any length', { token: 'x'.repeat(101) }],
    ['a time that is none', { created: 'yesterday' }],
    ['a day that no calendar has', { created: '2026-13-45T99:99:99Z' }],
    [
      'a currency in small letters',
      { amounts: { cardholder: { amount: 1, currency: 'usd' }, merchant: { amount: 1, currency: 'USD' } } },
    ],
    ['no currency', { amounts: { cardholder: { amount: 1 }, merchant: { amount: 1, currency: 'USD' } } }],
  ])('%s', async (_name, overrides) => {
    await changesNothing(async () => {
      expect(await send(purchase(overrides))).toEqual({ status: 200, result: 'DO_NOT_HONOR' });
    });
  });

  test('a body beyond the limit is refused by its size', async () => {
    await changesNothing(async () => {
      expect(await send(purchase({ padding: 'x'.repeat(300_000) }))).toMatchObject({ status: 413 });
    });
  });
});

describe('what is not signed by the processor is refused and leaves no trace', () => {
  const foreign = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

  test('a foreign key, the other door’s key, a changed body, no signature', async () => {
    const body = purchase();
    await changesNothing(async () => {
      expect(await send(body, { secret: foreign })).toEqual({ status: 401, result: null });
      expect(await send(body, { secret: tested.eventsSecret })).toEqual({ status: 401, result: null });
      expect(await send(body, { headers: { 'webhook-signature': '' } })).toEqual({ status: 401, result: null });
      expect(await send(body, { headers: { 'webhook-id': 'msg_another' } })).toEqual({ status: 401, result: null });
      const signature = signatureOf(tested.asaSecret, 'msg_1', new Date(), Buffer.from(JSON.stringify(body)));
      const headers = { 'webhook-id': 'msg_1', 'webhook-signature': signature };
      expect(await send(purchase({}, 1), { headers })).toEqual({ status: 401, result: null });
    });
  });

  test('a wrong content type changes neither what is signed nor how it is read', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    await changesNothing(async () => {
      expect(await send('amount=4250', { headers: form })).toEqual({ status: 200, result: 'DO_NOT_HONOR' });
      expect(await send('amount=4250', { headers: form, secret: foreign })).toEqual({ status: 401, result: null });
      expect(await send(purchase({}, 42.5), { headers: { 'content-type': 'text/plain' } })).toEqual({
        status: 200,
        result: 'DO_NOT_HONOR',
      });
    });
  });
});

describe('what nobody could be charged for leaves no trace', () => {
  test('a card that nobody knows', async () => {
    await changesNothing(async () => {
      expect(await send(purchase({ card: { token: randomUUID() } }))).toEqual({ status: 200, result: 'DO_NOT_HONOR' });
      expect(await send(purchase({ card: { token: 'x' } }))).toEqual({ status: 200, result: 'DO_NOT_HONOR' });
    });
  });

  test('an id that is used again, with another amount, merchant or card', async () => {
    const first = purchase({}, 1_000);
    expect(await send(first)).toEqual({ status: 200, result: 'APPROVED' });
    await settled();
    const ids = { token: first.token, event_token: first.event_token, created: first.created };
    await changesNothing(async () => {
      expect(await send(purchase(ids, 1_001))).toEqual({ status: 200, result: 'SUSPECTED_FRAUD' });
      expect(await send(purchase(ids, 1))).toEqual({ status: 200, result: 'SUSPECTED_FRAUD' });
      const elsewhere = { ...ids, merchant: { ...first.merchant, descriptor: 'ANOTHER SHOP' } };
      expect(await send(purchase(elsewhere, 1_000))).toEqual({ status: 200, result: 'SUSPECTED_FRAUD' });
      // The same bytes get the same answer.
      expect(await send(first)).toEqual({ status: 200, result: 'APPROVED' });
    });
  });

  test('an id that is used again at once, by many, is one purchase at the most', async () => {
    const ids = { token: randomUUID(), event_token: randomUUID() };
    const before = await heldCents();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => send(purchase(ids, 1_000 + index))));
    const approved = answers.filter(({ result }) => result === 'APPROVED');
    expect(approved).toHaveLength(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await heldCents()) - before).toBeGreaterThanOrEqual(1_000n);
    expect((await heldCents()) - before).toBeLessThan(1_020n);
  });
});

async function heldCents(): Promise<bigint> {
  const { rows } = await tested.sql.query<{ held: bigint | null }>(
    `SELECT sum(hold_amount) AS held FROM authorizations WHERE organization_id = $1 AND state = 'pending'`,
    [world.organizationId],
  );
  return BigInt(rows[0]?.held ?? 0n);
}

describe('what is understood and refused is on record with its reason, and moves nothing', () => {
  test('an unknown currency', async () => {
    const money = { amount: 4_250, currency: 'XTS' };
    await isDeclinedOnRecord(
      purchase({ cardholder_currency: 'XTS', amounts: { cardholder: money, merchant: money } }),
      'UNAUTHORIZED_MERCHANT',
      'unsupported_currency',
    );
  });

  test('more than anybody has', async () => {
    await isDeclinedOnRecord(purchase({}, Number.MAX_SAFE_INTEGER), 'INSUFFICIENT_FUNDS', 'insufficient_funds');
  });

  test.each([
    ['a closed account', "UPDATE accounts SET state = 'closed' WHERE id = $1", 'DO_NOT_HONOR', 'account_closed'],
    [
      'a suspended account',
      "UPDATE accounts SET state = 'suspended' WHERE id = $1",
      'DO_NOT_HONOR',
      'account_suspended',
    ],
    ['a closed card', "UPDATE cards SET state = 'closed' WHERE account_id = $1", 'DO_NOT_HONOR', 'card_closed'],
    ['a paused card', "UPDATE cards SET state = 'paused' WHERE account_id = $1", 'CARD_PAUSED', 'card_paused'],
    [
      'a cardholder whose documents ran out',
      "UPDATE cardholders SET kyc_state = 'expired' WHERE id = (SELECT cardholder_id FROM accounts WHERE id = $1)",
      'DO_NOT_HONOR',
      'kyc_not_valid',
    ],
  ])('%s', async (_name, change, result, reason) => {
    // As the product changes an account: its version moves with it.
    await tested.sql.query(change, [account.accountId]);
    await tested.sql.query('UPDATE accounts SET version = version + 1 WHERE id = $1', [account.accountId]);
    await isDeclinedOnRecord(purchase(), result, reason);
  });
});

describe('one bad request harms no other', () => {
  test.each<[string, () => Record<string, unknown>]>([
    ['a zero character in the merchant’s name', () => ({ merchant: shop('NUL\u0000SHOP') })],
    ['half a character in the merchant’s name', () => ({ merchant: shop('\ud800') })],
    ['a zero character in an id', () => ({ token: `\u0000${randomUUID()}` })],
    ['a separator in an id', () => ({ token: `\u001e${randomUUID()}`, event_token: `\u001e${randomUUID()}` })],
    ['a card named by a zero character', () => ({ card: { token: '\u0000' } })],
  ])('%s', async (_name, overrides) => {
    const before = await heldCents();
    const answers = await Promise.all([
      ...[0, 1, 2].map((index) => send(purchase({}, 1_000, holder(index)))),
      send(purchase(overrides(), 700)),
      ...[0, 1, 2].map((index) => send(purchase({}, 1_000, holder(index)))),
    ]);
    const bad = answers[3];
    expect(answers.filter((answer) => answer !== bad)).toEqual(Array(6).fill({ status: 200, result: 'APPROVED' }));
    expect(bad?.status).toBe(200);
    expect(['APPROVED', 'DO_NOT_HONOR']).toContain(bad?.result);
    const heldForBad = bad?.result === 'APPROVED' ? 700n : 0n;
    expect((await heldCents()) - before).toBe(6_000n + heldForBad);
  });

  test('a purchase that another account made is not changed by this card', async () => {
    const theirs = purchase({}, 1_000, holder(1));
    expect(await send(theirs)).toMatchObject({ result: 'APPROVED' });
    await settled();
    await changesNothing(async () => {
      for (const cents of [500, 1_000, 0]) {
        expect(await send(purchase({ token: theirs.token }, cents))).toEqual({
          status: 200,
          result: 'SUSPECTED_FRAUD',
        });
      }
    });
  });
});

function shop(descriptor: string) {
  return { acceptor_id: 'M1', descriptor, city: 'BERLIN', country: 'DEU', mcc: '5411' };
}
