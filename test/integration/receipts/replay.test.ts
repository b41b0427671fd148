import { generateKeyPairSync } from 'node:crypto';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../../services/authorizations/amend-authorization';
import type { AuthorizerDependencies } from '../../../services/authorizations/authorize-spend';
import { explainAuthorization } from '../../../services/authorizations/explain-authorization';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { type ReplayedDecision, replayDecisions } from '../../../services/authorizations/replay-decisions';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import { listReceiptKeys } from '../../../services/receipts/list-receipt-keys';
import { publishSigningKey } from '../../../services/receipts/publish-signing-key';
import { createReceiptSealer } from '../../../services/receipts/seal-receipts';
import { type SigningKey, signingKeyOf } from '../../../services/receipts/signing-key';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { cardEvent, createSpendingWorld, purchase, type SpendingWorld } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;
const WETH = 10n ** 18n;

let database: TestDatabase;
let superuser: Client;
let app: Knex;
let readonly: Knex;
let pool: Pool;
let key: SigningKey;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  app = createKnex(database.urls.escudo_app, 4, 'test');
  readonly = createKnex(database.urls.escudo_readonly, 2, 'test');
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  key = await newKey();
});

afterAll(async () => {
  await Promise.all([app.destroy(), readonly.destroy(), pool.end(), superuser.end()]);
  await database.drop();
});

async function newKey(): Promise<SigningKey> {
  const made = signingKeyOf(generateKeyPairSync('ed25519').privateKey);
  await publishSigningKey(app, made);
  return made;
}

function authorizerWith(signingKey: SigningKey, overrides: Partial<AuthorizerDependencies> = {}) {
  const sealer = createReceiptSealer(signingKey);
  return createTestAuthorizer(pool, {
    sealer,
    amend: (request, known) =>
      amendAuthorization({ knex: app, clock: systemClock, sealer, partner: null }, request, known),
    ...overrides,
  });
}

async function replayed(organizationId: string): Promise<readonly ReplayedDecision[]> {
  const found: ReplayedDecision[] = [];
  const range = { from: new Date(Date.now() - 3_600_000), to: new Date(Date.now() + 3_600_000) };
  for await (const decision of replayDecisions(readonly, { kind: 'range', ...range, organizationId })) {
    found.push(decision);
  }
  return found;
}

async function replayedOne(authorizationId: string): Promise<ReplayedDecision> {
  for await (const decision of replayDecisions(readonly, { kind: 'one', authorizationId })) return decision;
  throw new Error('nothing was replayed');
}

/** Accounts that sell, borrow and do both, with limits on cards and program, and partial approvals. */
function mixedWorlds(): Promise<SpendingWorld[]> {
  const loan = { kind: 'loan', ltvMaxBps: 4_000 } as const;
  const limits = { day_amount: '60000', per_transaction_amount: '30000' };
  return Promise.all([
    createSpendingWorld(database.superuserUrl, {
      accounts: 12,
      funds: { USDC: 400n * USDC, EURC: 50n * USDC },
      cardControls: { limits, blocked_channels: ['magstripe'] },
      policy: { partial_approvals: true },
    }),
    createSpendingWorld(database.superuserUrl, {
      accounts: 12,
      funds: { USDC: 100n * USDC },
      collateral: { WETH: WETH / 10n },
      credit: true,
      fundingPolicy: {
        mode: 'custom',
        sources: [{ kind: 'stablecoin', asset: 'USDC', keep: 20n * USDC }, loan],
      },
    }),
    createSpendingWorld(database.superuserUrl, { accounts: 4, fundingPolicy: { mode: 'borrow', sources: [loan] } }),
  ]);
}

/** A purchase that differs with its number in amount, merchant, way of paying and what comes with it. */
function mixedPurchase(account: SpendingWorld['accounts'][number], number: number) {
  const amounts = [100n, 4_250n, 31_000n, 0n, 9_999n, 25_000n] as const;
  const mccs = ['5411', '5812', '7011', '5541', '7995', '3501'] as const;
  const channels = ['chip', 'ecommerce', 'magstripe', 'contactless'] as const;
  const base = purchase(account, amounts[number % amounts.length] ?? 100n);
  return {
    ...base,
    merchant: {
      ...base.merchant,
      mcc: mccs[number % mccs.length] ?? '5411',
      country: number % 17 === 0 ? 'IRN' : 'DEU',
    },
    channel: channels[number % channels.length] ?? 'chip',
    partialApprovalAllowed: number % 2 === 0,
    currency: number % 23 === 0 ? 'EUR' : 'USD',
    merchantCurrency: number % 5 === 0 ? 'EUR' : 'USD',
    kind:
      number % 13 === 0 ? ('balance_inquiry' as const) : number % 7 === 0 ? ('cash_withdrawal' as const) : base.kind,
    cashAmount: number % 7 === 0 ? base.amount : 0n,
    cvc: number % 19 === 0 ? ('mismatch' as const) : ('match' as const),
    fleet:
      number % 6 === 3
        ? { driverId: 'D1', vehicleId: null, odometer: 120_000n, fuelVolumeMl: 40_000n, fuelType: 'diesel' }
        : null,
  };
}

test('every decision of a mixed load is the same when it is taken again, and its receipt verifies', async () => {
  const authorizer = authorizerWith(key);
  const worlds = await mixedWorlds();
  const requests = worlds.flatMap(({ accounts }) =>
    accounts.flatMap((account) => Array.from({ length: 16 }, (_, number) => mixedPurchase(account, number))),
  );
  const replies = await Promise.all(requests.map((request) => authorizer.authorize(request)));
  expect(new Set(replies.map((reply) => reply.declineReason ?? reply.outcome)).size).toBeGreaterThan(7);

  // What becomes of them later changes nothing of what was decided.
  for (const [index, request] of requests.entries()) {
    if (index % 5 !== 0 || replies[index]?.outcome === 'declined') continue;
    await recordCardEvent(
      { knex: app, clock: systemClock, sealer: testSealer() },
      cardEvent(request, index % 2 === 0 ? 'clearing' : 'reversal', { amount: 100n }),
    );
  }
  const increments = requests.filter((_, index) => index % 9 === 0);
  for (const request of increments) {
    const more = { ...request, messageId: `${request.messageId}-more`, contentHash: 'e'.repeat(64), amount: 500n };
    await authorizer.authorize({ ...more, kind: 'incremental_authorization', amountBasis: 'delta' });
  }

  const all = (await Promise.all(worlds.map((world) => replayed(world.organizationId)))).flat();
  expect(all.filter(({ amendmentId }) => amendmentId === null)).toHaveLength(requests.length);
  expect(all.filter(({ amendmentId }) => amendmentId !== null)).toHaveLength(increments.length);
  for (const decision of all) {
    expect(decision).toMatchObject({ answer: 'same', seal: 'verified', differences: [], problems: [], detail: null });
  }
  expect(new Set(all.map((each) => each.authorizationId))).toEqual(
    new Set(replies.map((reply) => reply.authorizationId)),
  );
});

describe('tampering is found:', () => {
  async function approvedPurchase(): Promise<{ readonly organizationId: string; readonly id: string }> {
    const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500n * USDC } });
    const reply = await authorizerWith(key).authorize(purchase(required(world.accounts[0], 'account'), 4_250n));
    return { organizationId: world.organizationId, id: required(reply.authorizationId, 'authorization') };
  }

  async function change(sql: string, id: string): Promise<void> {
    // Only whoever owns the tables can do this at all.
    await superuser.query('BEGIN');
    await superuser.query("SET LOCAL session_replication_role = 'replica'");
    const { rowCount } = await superuser.query(sql, [id]);
    await superuser.query('COMMIT');
    expect(rowCount).toBe(1);
  }

  const batchOf = '(SELECT batch_id FROM authorizations WHERE id = $1)';
  const cases: [string, string, { answer?: string; seal?: string; problems?: string[]; fields?: string[] }][] = [
    [
      'an outcome in the receipt',
      `UPDATE authorizations SET receipt = replace(receipt, '"approved":"4250"', '"approved":"9250"') WHERE id = $1`,
      { answer: 'different', seal: 'broken', problems: ['leaf_is_another'], fields: ['approved'] },
    ],
    [
      'an input in the receipt',
      `UPDATE authorizations SET receipt = replace(receipt, '"USDC":"500000000"', '"USDC":"1000000"') WHERE id = $1`,
      { answer: 'different', seal: 'broken', problems: ['leaf_is_another'] },
    ],
    [
      'an amount in the row',
      'UPDATE authorizations SET requested_amount = 1 WHERE id = $1',
      { answer: 'different', seal: 'verified', problems: [], fields: ['row requested'] },
    ],
    [
      'a leg',
      'UPDATE funding_legs SET held_amount = held_amount + 1 WHERE authorization_id = $1',
      { answer: 'different', seal: 'verified', problems: [], fields: ['row leg 0'] },
    ],
    [
      'the leaves of the batch',
      `UPDATE receipt_batches SET leaves = set_byte(leaves, 0, get_byte(leaves, 0) # 1) WHERE id = ${batchOf}`,
      { seal: 'broken', problems: ['root_is_another', 'leaf_is_another'] },
    ],
    [
      'the market of the batch',
      `UPDATE receipt_batches SET market = replace(market, '100000000', '100000001') WHERE id = ${batchOf}`,
      { seal: 'broken', problems: ['signature_invalid', 'market_is_another'] },
    ],
    [
      'the signature',
      `UPDATE receipt_batches SET signature = set_byte(signature, 5, get_byte(signature, 5) # 1) WHERE id = ${batchOf}`,
      { answer: 'same', seal: 'broken', problems: ['signature_invalid'] },
    ],
    [
      'a batch that is gone',
      `DELETE FROM receipt_batches WHERE id = ${batchOf}`,
      { answer: 'not_replayed', seal: 'broken', problems: ['batch_missing'] },
    ],
    [
      'a receipt that is no receipt any more',
      `UPDATE authorizations SET receipt = '{"form":1}' WHERE id = $1`,
      { answer: 'not_replayed', seal: 'broken', problems: ['leaf_is_another', 'market_is_another'] },
    ],
    [
      'a decline that was none',
      `UPDATE authorizations SET state = 'declined', decline_reason = 'card_paused' WHERE id = $1`,
      { answer: 'different', seal: 'verified', fields: ['row reason'] },
    ],
  ];

  test.each(cases)('%s', async (_, sql, expected) => {
    const { id } = await approvedPurchase();
    expect(await replayedOne(id)).toMatchObject({ answer: 'same', seal: 'verified' });
    await change(sql, id);
    const found = await replayedOne(id);
    const { fields, ...rest } = expected;
    expect(found).toMatchObject(rest);
    if (fields) expect(found.differences.map((difference) => difference.field)).toEqual(fields);
  });
});

test('a rotated key verifies what it signed, and the new one what comes after', async () => {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 2, funds: { USDC: 500n * USDC } });
  const [first, second] = world.accounts;
  await authorizerWith(key).authorize(purchase(required(first, 'account'), 4_250n));
  const next = await newKey();
  await authorizerWith(next).authorize(purchase(required(second, 'account'), 4_250n));

  expect((await replayed(world.organizationId)).map(({ answer, seal }) => [answer, seal])).toEqual([
    ['same', 'verified'],
    ['same', 'verified'],
  ]);
  const keys = await inOrganization(app, world.organizationId, (trx) => listReceiptKeys(trx));
  const retired = new Map(keys.map((each) => [each.keyId, each.retiredAt !== null]));
  expect([retired.get(key.keyId), retired.get(next.keyId)]).toEqual([true, false]);

  // Back to the first: it is in use again, and nothing is lost.
  await publishSigningKey(app, key);
  const again = await inOrganization(app, world.organizationId, (trx) => listReceiptKeys(trx));
  expect(again.filter((each) => each.retiredAt === null).map((each) => each.keyId)).toEqual([key.keyId]);
});

test('processes that start at once with different keys take turns, and one key is left in use', async () => {
  const keys = Array.from({ length: 6 }, () => signingKeyOf(generateKeyPairSync('ed25519').privateKey));
  await Promise.all(keys.map((each) => publishSigningKey(app, each)));
  const { rows } = await superuser.query('SELECT id FROM receipt_keys WHERE retired_at IS NULL');
  expect(rows).toHaveLength(1);
  await publishSigningKey(app, key);
});

test('a key that nobody published proves nothing', async () => {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500n * USDC } });
  const unknown = signingKeyOf(generateKeyPairSync('ed25519').privateKey);
  await authorizerWith(unknown).authorize(purchase(required(world.accounts[0], 'account'), 4_250n));
  expect(await replayed(world.organizationId)).toMatchObject([
    { answer: 'same', seal: 'broken', problems: ['key_unknown'] },
  ]);
});

test('one that was decided in time and committed late is declined, and its receipt still fits', async () => {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500n * USDC } });
  const request = {
    ...purchase(required(world.accounts[0], 'account'), 4_250n),
    respondBy: new Date(Date.now() + 60_000),
  };
  const reply = await authorizerWith(key).authorize(request);
  const id = required(reply.authorizationId, 'authorization');
  // As the commit writes it when its turn comes too late.
  await superuser.query('DELETE FROM funding_legs WHERE authorization_id = $1', [id]);
  await superuser.query(
    `UPDATE authorizations SET state = 'declined', decline_reason = 'late', approved_amount = 0, hold_amount = 0 WHERE id = $1`,
    [id],
  );
  expect(await replayedOne(id)).toMatchObject({ answer: 'same', seal: 'verified' });
  const explained = await inOrganization(app, world.organizationId, (trx) =>
    explainAuthorization(trx, { organizationId: world.organizationId, authorizationId: id }),
  );
  expect(explained).toMatchObject({
    ok: true,
    value: { explanation: { result: 'declined', reason: 'late', committedLate: true, approved: 0n } },
  });
  if (!explained.ok) return;
  const { checks } = explained.value.explanation;
  expect(checks.filter((check) => check.result === 'failed').map((check) => check.check)).toEqual(['in_time']);
  expect(explained.value.cardholderText).toContain('took too long');
});

test('what was told without asking is sealed too; what was recorded without a batch is unsealed, not broken', async () => {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500n * USDC } });
  const request = purchase(required(world.accounts[0], 'account'), 4_250n);
  const sealer = createReceiptSealer(key);
  await recordCardEvent({ knex: app, clock: systemClock, sealer }, cardEvent(request, 'authorization_advice'));
  expect(await replayed(world.organizationId)).toMatchObject([{ answer: 'same', seal: 'verified', amendmentId: null }]);
  await superuser.query('UPDATE authorizations SET batch_id = NULL, batch_ordinal = NULL WHERE organization_id = $1', [
    world.organizationId,
  ]);
  expect(await replayed(world.organizationId)).toMatchObject([
    { answer: 'not_replayed', seal: 'unsealed', differences: [] },
  ]);
  const { organizationId } = world;
  const { rows } = await superuser.query<{ id: string }>('SELECT id FROM authorizations WHERE organization_id = $1', [
    organizationId,
  ]);
  const authorizationId = required(rows[0], 'authorization').id;
  const explained = await inOrganization(app, organizationId, (trx) =>
    explainAuthorization(trx, { organizationId, authorizationId }),
  );
  expect(explained).toMatchObject({
    ok: true,
    value: { explanation: { result: 'approved', prices: [] }, takenAgain: null, verdict: { state: 'unsealed' } },
  });
});

test('a range of more than a page is replayed to its end, each decision once', async () => {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 40, funds: { USDC: 500n * USDC } });
  const authorizer = authorizerWith(key);
  const requests = world.accounts.flatMap((account) => Array.from({ length: 13 }, () => purchase(account, 100n)));
  await Promise.all(requests.map((request) => authorizer.authorize(request)));
  const all = await replayed(world.organizationId);
  expect(all).toHaveLength(520);
  expect(new Set(all.map((each) => each.authorizationId)).size).toBe(520);
  expect(all.filter(({ answer, seal }) => answer !== 'same' || seal !== 'verified')).toEqual([]);
});

test('a range takes what was decided within it, of one organization', async () => {
  const worlds = await Promise.all(
    [1, 2].map(() => createSpendingWorld(database.superuserUrl, { accounts: 3, funds: { USDC: 500n * USDC } })),
  );
  const authorizer = authorizerWith(key);
  for (const { accounts } of worlds) {
    for (const account of accounts) await authorizer.authorize(purchase(account, 100n));
  }
  const organizationId = required(worlds[0], 'world').organizationId;
  const { rows } = await superuser.query<{ created_at: Date }>(
    'SELECT created_at FROM authorizations WHERE organization_id = $1 ORDER BY created_at',
    [organizationId],
  );
  const [from, , to] = rows.map((row) => row.created_at);
  const found: string[] = [];
  const range = { from: required(from, 'first'), to: required(to, 'last') };
  for await (const decision of replayDecisions(readonly, { kind: 'range', ...range, organizationId }))
    found.push(decision.organizationId);
  expect(found.length).toBe(rows.filter(({ created_at: at }) => at >= range.from && at < range.to).length);
  expect(new Set(found)).toEqual(new Set([organizationId]));
});
