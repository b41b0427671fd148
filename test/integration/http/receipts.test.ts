import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pool } from 'pg';
import request from 'supertest';
import { loadApiConfig } from '../../../services/config/load-config';
import { createReceiptSealer } from '../../../services/receipts/seal-receipts';
import { signingKeyOf } from '../../../services/receipts/signing-key';
import { replayFromArguments } from '../../../services/replay';
import { required } from '../../../services/shared/assert';
import { formatId } from '../../../services/shared/ids';
import { createSpendingWorld, purchase, type SpendingWorld } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest, testEnvironment } from './api-under-test';

const SCRIPT = path.resolve(__dirname, '../../../scripts/verify-receipt.mjs');
const SEED = Buffer.alloc(32, 'seed of the tests').toString('base64');

let tested: ApiUnderTest;
let pool: Pool;
let world: SpendingWorld;
let apiKey: string;
let folder: string;

beforeAll(async () => {
  tested = await startApiUnderTest({ RECEIPT_SIGNING_KEY: SEED });
  pool = new Pool({ connectionString: tested.database.urls.escudo_authorizer, max: 2 });
  folder = mkdtempSync(path.join(tmpdir(), 'escudo-receipts-'));
  world = await createSpendingWorld(tested.database.superuserUrl, {
    accounts: 6,
    funds: { USDC: 500_000_000n },
    cardControls: { limits: { per_transaction_amount: '20000' } },
  });
  const answer = await request(tested.url)
    .post(`/v1/organizations/${formatId('organization', world.organizationId)}/api-keys`)
    .set('Authorization', `Bearer ${OPERATOR_KEY}`)
    .set('Idempotency-Key', 'key')
    .send({ label: 'Receipts', scopes: ['read'] })
    .expect(201);
  apiKey = answer.body.secret;
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await pool.end();
  await tested.end();
});

function get(route: string) {
  return request(tested.url).get(route).set('Authorization', `Bearer ${apiKey}`);
}

/** Decides one purchase of each amount at once, so that they share a batch. */
async function decided(amounts: readonly bigint[]): Promise<string[]> {
  const config = loadApiConfig({ ...testEnvironment(tested.database.urls), RECEIPT_SIGNING_KEY: SEED });
  const sealer = createReceiptSealer(signingKeyOf(config.receiptSigningKey));
  const authorizer = createTestAuthorizer(pool, { sealer });
  const replies = await Promise.all(
    amounts.map((amount, index) =>
      authorizer.authorize(
        purchase(required(world.accounts[index], 'account'), amount, {
          merchant: { id: 'M1', name: 'Trattoria', city: 'Berlin', country: 'DEU', mcc: '5812' },
        }),
      ),
    ),
  );
  return replies.map((reply) => formatId('authorization', required(reply.authorizationId, 'authorization')));
}

function verifyOffline(receipt: unknown, keys: unknown = null) {
  const files = [path.join(folder, 'receipt.json'), path.join(folder, 'keys.json')] as const;
  writeFileSync(files[0], JSON.stringify(receipt));
  writeFileSync(files[1], JSON.stringify(keys));
  const { status, stdout, stderr } = spawnSync('node', [SCRIPT, ...(keys === null ? [files[0]] : files)], {
    encoding: 'utf8',
  });
  return { status, failed: stdout.split('\n').filter((line) => line.startsWith('FAILED')), text: stdout + stderr };
}

test('an approved purchase is explained, and its receipt verifies', async () => {
  const [id] = await decided([4_250n]);
  const { body } = await get(`/v1/authorizations/${id}/explain`).expect(200);
  expect(body).toMatchObject({
    authorization_id: id,
    result: 'approved',
    decline: null,
    approved: { amount: '42.50', asset: 'USD' },
    hold: { placed: true, allowance: { amount: '8.50' }, total: { amount: '51.00' }, conversion_buffer_bps: 50 },
    legs: [{ kind: 'stablecoin_sale', covers: { amount: '51.00' }, price_usd: '1.00000000' }],
    receipt: { state: 'verified', verified: true, problems: [], same_answer: true },
  });
  expect(body.checks.map((check: { check: string }) => check.check)).toContain('funding');
  expect(body.limits).toContainEqual({
    level: 'card',
    control: 'limits.per_transaction_amount',
    unit: 'usd',
    limit: '200.00',
    used: '0.00',
    left: '200.00',
  });
  expect(body.text.cardholder).toContain('42.50 USD was approved');
});

test('a declined one is explained too', async () => {
  const [id] = await decided([25_000n]);
  const { body } = await get(`/v1/authorizations/${id}/explain`).expect(200);
  expect(body).toMatchObject({
    result: 'declined',
    approved: { amount: '0.00' },
    largest_amount: { amount: '200.00' },
    decline: {
      reason: 'amount_limit_exceeded',
      refused_by: { level: 'card', control: 'limits.per_transaction_amount' },
      committed_late: false,
    },
    hold: { placed: false, total: { amount: '300.00' } },
    legs: [],
    receipt: { verified: true, same_answer: true },
  });
  expect(body.text.cardholder).toBe(
    'The purchase of 250.00 USD is above a spending limit of this card. You could still pay up to 200.00 USD here.',
  );
});

test('the receipt verifies offline with the published keys, and nothing that was changed does', async () => {
  const ids = await decided([100n, 200n, 300n, 400n, 500n]);
  const { body: keys } = await get('/v1/receipt-keys').expect(200);
  expect(keys.keys).toHaveLength(1);
  expect(keys.keys[0]).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', retired_at: null });
  for (const id of ids) {
    const { body } = await get(`/v1/authorizations/${id}/receipt`).expect(200);
    expect(body).toMatchObject({ state: 'verified', verified: true, proof: { key_id: keys.keys[0].kid } });
    const alone = verifyOffline(body);
    expect(alone).toMatchObject({ status: 0, failed: [] });
    expect(alone.text).toContain('whose key that is');
    expect(alone.text).not.toContain('genuine');
    const against = verifyOffline(body, keys);
    expect(against).toMatchObject({ status: 0, failed: [] });
    expect(against.text).toContain('the receipt is genuine');
  }

  const { body } = await get(`/v1/authorizations/${ids[2]}/receipt`).expect(200);
  const { proof } = body;
  const changed: [string, unknown][] = [
    ['receipt', { ...body, receipt: body.receipt.replace('"approved":"300"', '"approved":"900"') }],
    ['market', { ...body, market: body.market.replace('100000000', '100000001') }],
    ['root', { ...body, proof: { ...proof, root: '0'.repeat(64) } }],
    ['place', { ...body, proof: { ...proof, leaf_index: (proof.leaf_index + 1) % 5 } }],
    ['count', { ...body, proof: { ...proof, leaf_count: proof.leaf_count + 8 } }],
    ['signature', { ...body, proof: { ...proof, signature: Buffer.alloc(64).toString('base64url') } }],
    [
      'key',
      {
        ...body,
        proof: { ...proof, public_key: { ...proof.public_key, x: Buffer.alloc(32, 9).toString('base64url') } },
      },
    ],
  ];
  for (const [what, file] of changed) {
    const verdict = verifyOffline(file);
    expect([what, verdict.status, verdict.failed.length > 0]).toEqual([what, 1, true]);
  }
  const stranger = { keys: [{ ...keys.keys[0], kid: 'another' }] };
  expect(verifyOffline(body, stranger).text).toContain('FAILED  the key is among those published');
  expect(verifyOffline({}).status).toBe(2);
});

test('what was not sealed says so', async () => {
  const [id] = await decided([100n]);
  await tested.sql.query('UPDATE authorizations SET batch_id = NULL, batch_ordinal = NULL');
  const { body } = await get(`/v1/authorizations/${id}/explain`).expect(200);
  expect(body).toMatchObject({
    result: 'approved',
    prices: [],
    receipt: { state: 'unsealed', verified: false, same_answer: null, proof: null },
  });
  await get(`/v1/authorizations/${id}/receipt`).expect(200);
  await tested.sql.query(`UPDATE authorizations SET receipt = '{"largest_amount":"1"}'`);
  await get(`/v1/authorizations/${id}/explain`).expect(422);
  await get(`/v1/authorizations/${id}`).expect(200);
});

describe('the command line', () => {
  const run = async (...args: string[]) => {
    const parts: string[] = [];
    const output = { write: (part: string) => void parts.push(part) };
    const code = await replayFromArguments(args, tested.database.urls.escudo_readonly, output);
    return { code, text: parts.join('') };
  };

  test('replays one, a range, and says what differs', async () => {
    const [id] = await decided([1_000n]);
    const organization = formatId('organization', world.organizationId);
    const { body } = await get(`/v1/authorizations/${id}`).expect(200);
    const range = `${body.created_at}..`;
    expect(await run(required(id, 'id'))).toMatchObject({
      code: 0,
      text: expect.stringContaining(`${id}  same, verified`),
    });
    expect(await run(range, '--organization', organization)).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^1 decision taken again in [\d.]+ s: 1 same, 0 different\n$/),
    });
    const json = await run(range, '--json');
    expect(
      json.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { answer: 'same', seal: 'verified' },
      { summary: { replayed: 1, same: 1, different: 0, broken: 0 } },
    ]);

    await tested.sql.query('UPDATE funding_legs SET held_usd = held_usd + 1 WHERE authorization_id = $1', [
      `${id?.slice(5, 13)}-${id?.slice(13, 17)}-${id?.slice(17, 21)}-${id?.slice(21, 25)}-${id?.slice(25)}`,
    ]);
    const changed = await run(range);
    expect(changed.code).toBe(1);
    expect(changed.text).toContain('row leg 0: stored stablecoin_sale USDC');
    expect(changed.text).toContain('0 same, 1 different');
  });

  test('explains its use', async () => {
    for (const args of [[], ['nonsense'], ['..', '--unknown'], ['..', '..'], ['..', '--organization', 'x']]) {
      const { code, text } = await run(...args);
      expect([args, code, text.includes('npm run replay')]).toEqual([args, 2, true]);
    }
    expect((await run('auth_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f')).code).toBe(2);
  });
});
