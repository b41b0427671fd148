import { generateKeyPairSync } from 'node:crypto';
import { createBank } from '../../services/providers/off-ramp/bank';
import { startOffRampVendor } from '../../simulators/off-ramp-vendor/app';
import { control } from './webhook-sink';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
let vendor: Awaited<ReturnType<typeof startOffRampVendor>>;

beforeEach(async () => {
  vendor = await startOffRampVendor({
    port: 0,
    dataFile: null,
    apiKey: 'sk-test',
    customerId: 'cust',
    externalAccountId: 'ext',
    bankApiKey: 'bank-key',
    bankAccountId: 'settlement',
    webhookUrl: null,
    webhookPrivateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    // No chain: the bank answers while the vendor can't reach one.
    rpcUrl: 'http://127.0.0.1:1',
    tokens: {},
    confirmations: 1,
  });
});

afterEach(() => vendor.close());

function bank(overrides: Partial<Parameters<typeof createBank>[0]> = {}) {
  return createBank({ baseUrl: `${vendor.url}/bank`, apiKey: 'bank-key', accountId: 'settlement', ...overrides });
}

const debit = (reference: string, amount: string, more: Record<string, unknown> = {}) =>
  control(`${vendor.url}/bank/sim/debits`, { account_id: 'settlement', reference, amount, ...more });

test('a new account is empty', async () => {
  expect(await bank().statements.balance()).toEqual({ kind: 'ok', value: { amount: 0n } });
  expect(await bank().statements.transactions({ after: null, limit: 10 })).toEqual({
    kind: 'ok',
    value: { data: [], hasMore: false },
  });
});

test('balance is credits less debits, below zero too', async () => {
  await bank().sandbox.credit({ reference: 'capital', amount: 100_000n });
  expect(await debit('network-1', '250.75')).toMatchObject({ status: 201 });
  expect(await bank().statements.balance()).toEqual({ kind: 'ok', value: { amount: 74_925n } });
  await debit('network-2', '1000.00');
  expect(await bank().statements.balance()).toEqual({ kind: 'ok', value: { amount: -25_075n } });
  await debit('network-3', '0.75', { direction: 'credit' });
  expect(await bank().statements.balance()).toEqual({ kind: 'ok', value: { amount: -25_000n } });
});

test('a reference books once; with another amount or direction it is refused', async () => {
  const first = await bank().sandbox.credit({ reference: 'capital', amount: 5_000n });
  expect(first).toMatchObject({ kind: 'ok', value: { reference: 'capital', direction: 'credit', amount: 5_000n } });
  expect(await bank().sandbox.credit({ reference: 'capital', amount: 5_000n })).toEqual(first);
  expect(await bank().sandbox.credit({ reference: 'capital', amount: 5_001n })).toMatchObject({
    kind: 'rejected',
    code: 'reference_reused',
  });
  expect(await debit('capital', '50.00')).toMatchObject({ status: 409 });
  expect(await bank().statements.balance()).toEqual({ kind: 'ok', value: { amount: 5_000n } });
});

test('statements page from the oldest on, without a gap or a repetition', async () => {
  for (let n = 1; n <= 5; n += 1) await debit(`r${n}`, `${n}.00`);
  const seen: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 10; pages += 1) {
    const answer = await bank().statements.transactions({ after, limit: 2 });
    if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
    seen.push(...answer.value.data.map((one) => `${one.reference} ${one.direction} ${one.amount}`));
    after = answer.value.data.at(-1)?.id ?? null;
    if (!answer.value.hasMore) break;
  }
  expect(seen).toEqual(['r1 debit 100', 'r2 debit 200', 'r3 debit 300', 'r4 debit 400', 'r5 debit 500']);
});

test.each(['0.00', '-1.00', '1.001', '1e3', 'x', ''])('an entry of %p is refused', async (amount) => {
  expect(await debit('bad', amount)).toMatchObject({ status: 400 });
  expect(await bank().statements.balance()).toEqual({ kind: 'ok', value: { amount: 0n } });
});

test('another key, another account and an unknown cursor are rejected', async () => {
  expect(await bank({ apiKey: 'other' }).statements.balance()).toMatchObject({
    kind: 'rejected',
    code: 'unauthorized',
  });
  expect(await bank({ accountId: 'other' }).statements.balance()).toMatchObject({
    kind: 'rejected',
    code: 'not_found',
  });
  expect(await bank().statements.transactions({ after: 'no-such-entry', limit: 10 })).toMatchObject({
    kind: 'rejected',
    code: 'invalid_parameters',
  });
});

test('a bank that fails, is slow or is away is unknown', async () => {
  await control(`${vendor.url}/sim/faults`, { match: 'GET /bank/accounts/:id', fail_times: 1 });
  expect((await bank().statements.balance()).kind).toBe('unknown');
  expect((await bank().statements.balance()).kind).toBe('ok');
  await control(`${vendor.url}/sim/faults`, { match: 'GET /bank/accounts/:id', slow_ms: 400 });
  expect((await bank({ timeoutMs: 100 }).statements.balance()).kind).toBe('unknown');
  expect((await bank({ baseUrl: 'http://127.0.0.1:1/bank' }).statements.balance()).kind).toBe('unknown');
});
