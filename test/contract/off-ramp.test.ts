import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPublicClient, createWalletClient, getAddress, http, parseAbi } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { openFaucet } from '../../embedded/chain/faucet';
import type { Hex } from '../../services/providers/custody/port';
import { createBank } from '../../services/providers/off-ramp/bank';
import { type BridgeConfig, createBridge } from '../../services/providers/off-ramp/bridge';
import { toOrder, toQuote, toState } from '../../services/providers/off-ramp/bridge/mapping';
import type { OffRampOrder, OffRampSandboxPlan } from '../../services/providers/off-ramp/port';
import type { VendorOutcome } from '../../services/providers/processor/port';
import { type OffRampVendorConfig, startOffRampVendor } from '../../simulators/off-ramp-vendor/app';
import { sharedChain } from '../setup/anvil';
import { control, eventually, openWebhookSink, type WebhookSink } from './webhook-sink';

const ERC20 = parseAbi([
  'function transfer(address to, uint256 value) returns (bool)',
  'function balanceOf(address owner) view returns (uint256)',
]);
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privatePem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();

const account = {
  apiKey: 'sk-test',
  customerId: 'cust_escudo',
  externalAccountId: 'ext_settlement',
};
const bankAccount = { bankApiKey: 'bank-key', bankAccountId: 'settlement' };

const { rpcUrl, deployment } = sharedChain();
const faucet = openFaucet(deployment);
const usdc = deployment.tokens.USDC?.address ?? '0x';
const eurc = deployment.tokens.EURC?.address ?? '0x';
const treasury = privateKeyToAccount(generatePrivateKey());
const client = createPublicClient({ transport: http(rpcUrl), pollingInterval: 100 });
const wallet = createWalletClient({ transport: http(rpcUrl), account: treasury });

let sink: WebhookSink;
let vendor: Awaited<ReturnType<typeof startOffRampVendor>>;
let folder: string;
let simulatorConfig: OffRampVendorConfig;

beforeAll(async () => {
  sink = await openWebhookSink();
  folder = mkdtempSync(join(tmpdir(), 'escudo-off-ramp-'));
  simulatorConfig = {
    port: 0,
    dataFile: join(folder, 'state.json'),
    ...account,
    ...bankAccount,
    webhookUrl: sink.url,
    webhookPrivateKey: privatePem,
    rpcUrl,
    tokens: { usdc: { address: usdc, decimals: 6 }, eurc: { address: eurc, decimals: 6 } },
    confirmations: 1,
    stepMs: 20,
    pollMs: 50,
    retryDelaysMs: [20],
  };
  vendor = await startOffRampVendor(simulatorConfig);
  await faucet.setNativeBalance(treasury.address, 10n ** 18n);
  await faucet.give('USDC', treasury.address, 10_000_000_000n);
  await faucet.give('EURC', treasury.address, 1_000_000_000n);
});

afterAll(async () => {
  await vendor.close();
  await sink.close();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(() => {
  vendor.faults.clear();
  sink.received.length = 0;
  sink.answers.length = 0;
});

function bridge(overrides: Partial<BridgeConfig> = {}) {
  return createBridge({ baseUrl: vendor.url, ...account, webhookPublicKey: publicPem, timeoutMs: 2_000, ...overrides });
}

function bank() {
  return createBank({ baseUrl: `${vendor.url}/bank`, apiKey: 'bank-key', accountId: 'settlement' });
}

function orderInput(sourceAmount: bigint, idempotencyKey = `sale-${randomBytes(8).toString('hex')}`) {
  return { idempotencyKey, sourceAsset: 'USDC', sourceAmount, fromAddress: treasury.address };
}

function value<T>(outcome: VendorOutcome<T>): T {
  if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
  return outcome.value;
}

async function createOrder(sourceAmount: bigint, plan: OffRampSandboxPlan = 'pay'): Promise<OffRampOrder> {
  if (plan !== 'pay') value(await bridge().sandbox.planNextOrder(plan));
  return value(await bridge().offRamp.createOrder(orderInput(sourceAmount)));
}

async function send(token: Hex, to: string, amount: bigint): Promise<Hex> {
  const hash = await wallet.writeContract({
    address: token,
    abi: ERC20,
    functionName: 'transfer',
    args: [getAddress(to), amount],
    chain: null,
  });
  await client.waitForTransactionReceipt({ hash });
  return hash;
}

function balance(owner: string): Promise<bigint> {
  return client.readContract({ address: usdc, abi: ERC20, functionName: 'balanceOf', args: [getAddress(owner)] });
}

function orderIn(state: string, id: string): Promise<OffRampOrder> {
  return eventually(`order ${id} ${state}`, async () => {
    const order = value(await bridge().offRamp.getOrder(id));
    return order.state === state ? order : undefined;
  });
}

interface Book {
  readonly transfers: readonly Record<string, string | null>[];
  readonly unmatched_deposits: readonly unknown[];
  readonly bank: readonly Record<string, string | number>[];
}

async function book(): Promise<Book> {
  return (await (await fetch(`${vendor.url}/sim/book`)).json()) as Book;
}

async function statement(reference: string) {
  const all = value(await bank().statements.transactions({ after: null, limit: 100 })).data;
  return all.filter((entry) => entry.reference === reference);
}

describe('a sale', () => {
  test('pays gross less the fee into the bank under our reference, as it was quoted', async () => {
    const amount = 42_549_999n;
    const quote = value(await bridge().offRamp.quote({ sourceAsset: 'USDC', sourceAmount: amount }));
    expect(quote).toEqual({ sourceAsset: 'USDC', sourceAmount: amount, grossAmount: 4254n, feeAmount: 5n });

    const order = await createOrder(amount);
    expect(order).toMatchObject({ state: 'awaiting_funds', sourceAmount: amount, grossAmount: null, feeAmount: null });
    const before = value(await bank().statements.balance()).amount;
    await send(usdc, order.depositAddress, amount);

    const paid = await orderIn('paid_out', order.vendorOrderId);
    expect(paid).toMatchObject({
      grossAmount: quote.grossAmount,
      feeAmount: quote.feeAmount,
      sourceAmount: amount,
      idempotencyKey: order.idempotencyKey,
      returnTransactionHash: null,
    });
    const entries = await statement(paid.bankReference ?? '');
    expect(entries).toEqual([expect.objectContaining({ direction: 'credit', amount: 4249n })]);
    expect(value(await bank().statements.balance()).amount - before).toBe(4249n);
    expect(await balance(order.depositAddress)).toBe(amount);
  });

  test('tells each state by a signed webhook that names the order', async () => {
    const order = await createOrder(5_000_000n);
    await send(usdc, order.depositAddress, 5_000_000n);
    await orderIn('paid_out', order.vendorOrderId);
    const { ingress } = bridge();
    await eventually('four webhooks', () => (sink.received.length >= 4 ? true : undefined));
    const hints = sink.received.map((one) => {
      expect(ingress.verify(one.rawBody, one.headers, new Date())).toEqual({ kind: 'valid' });
      return ingress.toHint(one.rawBody, one.headers);
    });
    expect(hints).toContainEqual({
      kind: 'hint',
      hint: { messageId: expect.any(String), vendorOrderId: order.vendorOrderId, type: 'transfer.created' },
    });
    const states = sink.received.map(
      (one) => (JSON.parse(one.rawBody.toString('utf8')) as { event_object_status: string }).event_object_status,
    );
    expect([...states].sort()).toEqual(['awaiting_funds', 'funds_received', 'payment_processed', 'payment_submitted']);
    expect(new Set(hints.map((hint) => (hint.kind === 'hint' ? hint.hint.messageId : '')))).toHaveProperty('size', 4);
  });

  test('gives each order a deposit address of its own', async () => {
    const [one, two] = [await createOrder(1_000_000n), await createOrder(1_000_000n)];
    expect(one.depositAddress).not.toBe(two.depositAddress);
    await send(usdc, two.depositAddress, 1_000_000n);
    await orderIn('paid_out', two.vendorOrderId);
    expect((await orderIn('awaiting_funds', one.vendorOrderId)).grossAmount).toBeNull();
  });

  test('refused by the bank sends the tokens back on chain and names the transaction', async () => {
    const amount = 12_345_678n;
    const order = await createOrder(amount, 'return');
    await send(usdc, order.depositAddress, amount);
    const before = await balance(treasury.address);
    const returned = await orderIn('returned', order.vendorOrderId);

    const receipt = await client.getTransactionReceipt({ hash: returned.returnTransactionHash as Hex });
    expect(receipt.status).toBe('success');
    expect(await balance(treasury.address)).toBe(before + amount);
    expect(await balance(order.depositAddress)).toBe(0n);
    expect(await statement(returned.bankReference ?? '')).toEqual([]);
    expect(returned).toMatchObject({ grossAmount: null, feeAmount: null });
  });

  test('given up before any token was taken has failed; tokens that still come are sent back', async () => {
    const order = await createOrder(2_000_000n, 'fail');
    await orderIn('failed', order.vendorOrderId);
    const before = await balance(treasury.address);
    await send(usdc, order.depositAddress, 2_000_000n);
    await orderIn('returned', order.vendorOrderId);
    expect(await balance(treasury.address)).toBe(before);
  });

  test('that is held goes on when it is let go', async () => {
    const order = await createOrder(3_000_000n, 'hold');
    await send(usdc, order.depositAddress, 3_000_000n);
    await eventually('in review', async () => {
      const line = (await book()).transfers.find((one) => one.id === order.vendorOrderId);
      return line?.state === 'in_review' ? true : undefined;
    });
    expect(value(await bridge().offRamp.getOrder(order.vendorOrderId)).state).toBe('funds_received');
    value(await bridge().sandbox.planOrder(order.vendorOrderId, 'pay'));
    await orderIn('paid_out', order.vendorOrderId);
  });

  test.each([
    ['another amount', 3_999_999n, treasury.address],
    ['another sender', 4_000_000n, '0x71C7656EC7ab88b098defB751B7401B5f6d8976F'],
  ])('of %s than announced is not paid out by itself', async (_what, sent, fromAddress) => {
    const order = value(await bridge().offRamp.createOrder({ ...orderInput(4_000_000n), fromAddress }));
    await send(usdc, order.depositAddress, sent);
    const held = await eventually('in review', async () => {
      const line = (await book()).transfers.find((one) => one.id === order.vendorOrderId);
      return line?.state === 'in_review' ? line : undefined;
    });
    expect(held.reason).toContain('amount or sender');
    expect(await statement(order.bankReference ?? '')).toEqual([]);
  });

  test('of EURC is counted at the published rate, rounded down', async () => {
    const quote = value(await bridge().offRamp.quote({ sourceAsset: 'EURC', sourceAmount: 100_000_000n }));
    // 100 ÷ 0.9305 = 107.469…
    expect(quote).toMatchObject({ grossAmount: 10_746n, feeAmount: 11n });
    const input = { ...orderInput(100_000_000n), sourceAsset: 'EURC' };
    const order = value(await bridge().offRamp.createOrder(input));
    await send(eurc, order.depositAddress, 100_000_000n);
    const paid = await orderIn('paid_out', order.vendorOrderId);
    expect(await statement(paid.bankReference ?? '')).toEqual([expect.objectContaining({ amount: 10_735n })]);
  });

  test('follows the vendor when its fee is not the one that was quoted', async () => {
    await control(`${vendor.url}/sim/settings`, { fee_bps: 50, dollar_token_rate: '0.99' });
    const order = await createOrder(100_000_000n);
    await send(usdc, order.depositAddress, 100_000_000n);
    const paid = await orderIn('paid_out', order.vendorOrderId);
    await control(`${vendor.url}/sim/settings`, { fee_bps: 10, dollar_token_rate: '1' });
    // 100.00 at 0.99 is 99.00; half a percent of it is 0.495, charged as 0.50.
    expect(paid).toMatchObject({ grossAmount: 10_000n, feeAmount: 150n });
    expect(await statement(paid.bankReference ?? '')).toEqual([expect.objectContaining({ amount: 9_850n })]);
  });

  test('book and bank agree with what was received, paid and sent back', async () => {
    const { transfers, unmatched_deposits, bank: accounts } = await book();
    expect(unmatched_deposits).toEqual([]);
    const cents = (text: string | null | undefined) => BigInt((text ?? '0').replace('.', ''));
    const paid = transfers.reduce((sum, one) => sum + cents(one.paid_usd), 0n);
    expect(paid).toBeGreaterThan(0n);
    expect(accounts).toEqual([expect.objectContaining({ account_id: 'settlement' })]);
    expect(cents(String(accounts[0]?.credits))).toBe(paid);
    for (const one of transfers) {
      if (one.state === 'payment_processed')
        expect(cents(one.gross_usd) - cents(one.fee_usd)).toBe(cents(one.paid_usd));
      if (one.state === 'refunded') expect([one.returned, one.paid_usd]).toEqual([one.received, null]);
    }
  });
});

describe('creating an order', () => {
  test('twice under one key is one order; with another amount it is refused', async () => {
    const input = orderInput(7_000_000n);
    const first = value(await bridge().offRamp.createOrder(input));
    expect(value(await bridge().offRamp.createOrder(input)).vendorOrderId).toBe(first.vendorOrderId);
    const other = await bridge().offRamp.createOrder({ ...input, sourceAmount: 7_000_001n });
    expect(other).toMatchObject({ kind: 'rejected', code: 'idempotency_key_reused' });
    const lines = (await book()).transfers.filter((one) => one.client_reference_id === input.idempotencyKey);
    expect(lines).toHaveLength(1);
  });

  test('whose answer is lost is unknown, and is found by its key', async () => {
    await control(`${vendor.url}/sim/faults`, { match: 'POST /v0/transfers', lose_reply_times: 1 });
    const input = orderInput(8_000_000n);
    expect((await bridge().offRamp.createOrder(input)).kind).toBe('unknown');
    const found = value(await bridge().offRamp.findOrder(input.idempotencyKey));
    expect(found).toMatchObject({ idempotencyKey: input.idempotencyKey, sourceAmount: 8_000_000n });
    expect(value(await bridge().offRamp.createOrder(input)).vendorOrderId).toBe(found?.vendorOrderId);
  });

  test('that fails is unknown, and nothing is found for it', async () => {
    await control(`${vendor.url}/sim/faults`, { match: 'POST /v0/transfers', fail_times: 1, fail_status: 500 });
    const input = orderInput(8_000_000n);
    expect(await bridge().offRamp.createOrder(input)).toEqual({
      kind: 'unknown',
      detail: expect.stringContaining('500'),
    });
    expect(await bridge().offRamp.findOrder(input.idempotencyKey)).toEqual({ kind: 'ok', value: null });
  });

  test('that is answered too late is unknown', async () => {
    await control(`${vendor.url}/sim/faults`, { match: 'POST /v0/transfers', slow_ms: 400 });
    const late = await bridge({ timeoutMs: 100 }).offRamp.createOrder(orderInput(8_000_000n));
    expect(late).toEqual({ kind: 'unknown', detail: expect.stringContaining('no answer in time') });
  });

  test.each([
    ['a wrong key', { apiKey: 'sk-other' }, 'invalid'],
    ['another customer', { customerId: 'cust_other' }, 'invalid_parameters'],
    ['another bank account', { externalAccountId: 'ext_other' }, 'invalid_parameters'],
  ])('with %s is rejected', async (_what, wrong, code) => {
    expect(await bridge(wrong).offRamp.createOrder(orderInput(1_000_000n))).toMatchObject({ kind: 'rejected', code });
  });

  test('too small to leave a payout is rejected', async () => {
    expect(await bridge().offRamp.createOrder(orderInput(10_000n))).toMatchObject({ kind: 'rejected' });
  });

  test('of an asset that the vendor does not take is rejected without a call', async () => {
    const adapter = bridge({ baseUrl: 'http://127.0.0.1:1' });
    const input = { ...orderInput(1n), sourceAsset: 'WETH' };
    expect(await adapter.offRamp.createOrder(input)).toMatchObject({ kind: 'rejected', code: 'unsupported_asset' });
    expect(await adapter.offRamp.quote(input)).toMatchObject({ kind: 'rejected', code: 'unsupported_asset' });
  });

  test('at a vendor that is away is unknown', async () => {
    const away = await bridge({ baseUrl: 'http://127.0.0.1:1' }).offRamp.createOrder(orderInput(1_000_000n));
    expect(away.kind).toBe('unknown');
  });

  test('that nobody knows is rejected as not found', async () => {
    expect(await bridge().offRamp.getOrder('no-such')).toMatchObject({ kind: 'rejected', code: 'not_found' });
  });

  test('older than one page of the list is still found', async () => {
    const input = orderInput(1_000_000n);
    const order = value(await bridge().offRamp.createOrder(input));
    for (let n = 0; n < 101; n += 1) await createOrder(1_000_000n);
    expect(value(await bridge().offRamp.findOrder(input.idempotencyKey))?.vendorOrderId).toBe(order.vendorOrderId);
  });
});

describe('states', () => {
  test('that are not known stay unrecognized, with their order', async () => {
    const order = await createOrder(1_000_000n);
    await control(`${vendor.url}/sim/transfers/${order.vendorOrderId}/state`, { state: 'kyc_required' });
    expect(value(await bridge().offRamp.getOrder(order.vendorOrderId))).toMatchObject({
      vendorOrderId: order.vendorOrderId,
      state: 'unrecognized',
    });
  });

  test.each([
    ['awaiting_funds', 'awaiting_funds'],
    ['in_review', 'funds_received'],
    ['funds_received', 'funds_received'],
    ['payment_submitted', 'submitted'],
    ['payment_processed', 'paid_out'],
    ['undeliverable', 'submitted'],
    ['returned', 'submitted'],
    ['refund_in_flight', 'submitted'],
    ['refunded', 'returned'],
    ['canceled', 'failed'],
    ['error', 'unrecognized'],
    ['refund_failed', 'unrecognized'],
    ['missing_return_policy', 'unrecognized'],
  ])('%s is %s', (vendorState, expected) => {
    expect(toState(vendorState)).toBe(expected);
  });

  test('a transfer paid out whose receipt can not be read to the cent is not an order', () => {
    const transfer = {
      id: 't',
      client_reference_id: 'k',
      state: 'payment_processed',
      amount: '10.0',
      source: { currency: 'usdc' },
      destination: {},
      source_deposit_instructions: { to_address: '0xb794f5ea0ba39494ce839613fffba74279579268' },
      receipt: {
        initial_amount: '10.0',
        developer_fee: '0.0',
        exchange_fee: '0.01',
        gas_fee: '0.0',
        final_amount: '9.99',
      },
    };
    expect(toOrder(transfer)).toMatchObject({ grossAmount: 1000n, feeAmount: 1n });
    expect(toOrder({ ...transfer, receipt: { ...transfer.receipt, final_amount: '9.994' } })).toBeNull();
    expect(toOrder({ ...transfer, amount: '10.0000001' })).toBeNull();
    expect(toOrder({ ...transfer, receipt: null })).toBeNull();
  });

  test('quotes round the payout down and the fee up', () => {
    const terms = { usdToPegSellRate: null, feeBps: 10 };
    expect(toQuote('USDC', 9_999n, 6, terms)).toMatchObject({ grossAmount: 0n, feeAmount: 0n });
    expect(toQuote('USDC', 10_000n, 6, terms)).toMatchObject({ grossAmount: 1n, feeAmount: 1n });
    expect(toQuote('USDC', 10_000_000n, 6, terms)).toMatchObject({ grossAmount: 1000n, feeAmount: 1n });
    expect(toQuote('USDC', 10_010_000n, 6, terms)).toMatchObject({ grossAmount: 1001n, feeAmount: 2n });
  });
});

describe('webhooks', () => {
  const body = Buffer.from(
    JSON.stringify({
      event_id: 'wh_1',
      event_category: 'transfer',
      event_type: 'transfer.created',
      event_object_id: 't',
    }),
  );
  const now = new Date('2026-11-21T12:00:00Z');
  const header = (atMs: number, key = keys.privateKey, raw = body) => {
    const digest = createHash('sha256').update(`${atMs}.`).update(raw).digest();
    return `t=${atMs},v0=${sign('sha256', digest, key).toString('base64')}`;
  };
  const verify = (value: string | undefined, raw = body) =>
    bridge({ baseUrl: 'http://127.0.0.1:1' }).ingress.verify(raw, { 'x-webhook-signature': value }, now).kind;

  beforeAll(() => {
    expect(verify(header(now.getTime()))).toBe('valid');
  });

  test('are valid up to ten minutes, and not one millisecond longer', () => {
    expect(verify(header(now.getTime() - 600_000))).toBe('valid');
    expect(verify(header(now.getTime() - 600_001))).toBe('invalid');
    expect(verify(header(now.getTime() + 600_001))).toBe('invalid');
  });

  test('signed once hashed, by another key, over another body or time are invalid', () => {
    const at = now.getTime();
    const once = sign('sha256', Buffer.from(`${at}.${body}`), keys.privateKey).toString('base64');
    expect(verify(`t=${at},v0=${once}`)).toBe('invalid');
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect(verify(header(at, stranger))).toBe('invalid');
    expect(verify(header(at), Buffer.from(`${body} `))).toBe('invalid');
    expect(verify(header(at).replace(`t=${at}`, `t=${at + 1}`))).toBe('invalid');
  });

  test.each([undefined, '', 't=1', 'v0=abcd', 't=x,v0=abcd', 't=1,v0=ab cd', 't=1,v0=abc', 't=1,v0=abcd,v1=efgh'])(
    'with header %p are invalid',
    (value) => {
      expect(verify(value)).toBe('invalid');
    },
  );

  test('take the public key as PEM, on one line, or in base64, and nothing else', () => {
    for (const webhookPublicKey of [
      publicPem,
      publicPem.replaceAll('\n', '\\n'),
      Buffer.from(publicPem).toString('base64'),
    ]) {
      const { ingress } = bridge({ webhookPublicKey });
      const verdict = ingress.verify(body, { 'x-webhook-signature': header(now.getTime()) }, now);
      expect(verdict).toEqual({ kind: 'valid' });
    }
    expect(() => bridge({ webhookPublicKey: 'no key' })).toThrow();
  });

  test.each([
    ['no JSON', '{'],
    ['no event id', JSON.stringify({ event_category: 'transfer', event_type: 'created', event_object_id: 't' })],
    [
      'another category',
      JSON.stringify({ event_id: 'e', event_category: 'customer', event_type: 'created', event_object_id: 't' }),
    ],
  ])('with %s are malformed', (_what, text) => {
    expect(bridge().ingress.toHint(Buffer.from(text), {}).kind).toBe('malformed');
  });

  test('are signed anew and sent again until they are taken', async () => {
    sink.answers.push(500, 500);
    const order = await createOrder(1_000_000n);
    await eventually('third attempt', () => (sink.received.length >= 3 ? true : undefined));
    const { ingress } = bridge();
    const hints = sink.received.map((one) => ingress.toHint(one.rawBody, one.headers));
    expect(new Set(hints.map((hint) => JSON.stringify(hint))).size).toBe(1);
    expect(hints[0]).toMatchObject({ kind: 'hint', hint: { vendorOrderId: order.vendorOrderId } });
    expect(new Set(sink.received.map((one) => one.headers['x-webhook-signature'])).size).toBe(3);
  });

  test('repeated and badly signed ones can be told apart', async () => {
    await control(`${vendor.url}/sim/faults`, { match: 'webhook:transfer.created', repeat: 1, bad_signature_times: 1 });
    sink.answers.push(401);
    await createOrder(1_000_000n);
    await eventually('bad, good and copy', () => (sink.received.length >= 3 ? true : undefined));
    const { ingress } = bridge();
    const verdicts = sink.received.map((one) => ingress.verify(one.rawBody, one.headers, new Date()).kind);
    expect(verdicts).toEqual(['invalid', 'valid', 'valid']);
  });
});

test('a vendor killed between signing and sending a return sends it once after its restart', async () => {
  const amount = 6_000_000n;
  const order = await createOrder(amount, 'return');
  await send(usdc, order.depositAddress, amount);
  const before = await balance(treasury.address);
  await eventually('return signed', async () => {
    const line = (await book()).transfers.find((one) => one.id === order.vendorOrderId);
    return line?.return_tx_hash ?? undefined;
  });
  await vendor.close();
  vendor = await startOffRampVendor(simulatorConfig);
  await orderIn('returned', order.vendorOrderId);
  expect(await balance(treasury.address)).toBe(before + amount);
});
