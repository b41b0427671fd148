import request from 'supertest';
import { newId } from '../../../services/database/new-id';
import { formatId, type IdKind } from '../../../services/shared/ids';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';
import { KIND_OF_PARAMETER, type SeededIds, seedEverything } from './seed-everything';

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> };
}

/** Bodies that are right in everything but whose things they name. */
function bodies(ids: SeededIds): Readonly<Record<string, object>> {
  const usd = { amount: '1.00', asset: 'USD' };
  const document = { type: 'passport', country: 'DEU', file_name: 'a.png', content_type: 'image/png', content: 'AAAA' };
  return {
    'POST /v1/cardholders': {
      program_id: ids.program,
      first_name: 'Ada',
      last_name: 'Foreign',
      date_of_birth: '1990-01-01',
      email: 'ada@example.com',
      residence_country: 'DEU',
      nationality: 'DEU',
    },
    'POST /v1/cardholders/{cardholder_id}/kyc': { documents: [document] },
    'POST /v1/accounts': { program_id: ids.program, cardholder_id: ids.cardholder },
    'PUT /v1/accounts/{account_id}/funding-policy': { mode: 'sell' },
    'POST /v1/accounts/{account_id}/quote': { amount: usd },
    'POST /v1/accounts/{account_id}/funding-policy/preview': {
      funding_policy: { mode: 'sell' },
      purchases: [{ amount: usd }],
    },
    'POST /v1/accounts/{account_id}/credit-agreement': { terms_version: '1', document_sha256: 'a'.repeat(64) },
    'POST /v1/accounts/{account_id}/collateral/pledge': { amount: { amount: '1', asset: 'WETH' } },
    'POST /v1/accounts/{account_id}/collateral/release': { amount: { amount: '1', asset: 'WETH' } },
    'POST /v1/accounts/{account_id}/repayments': { amount: { amount: '1', asset: 'USDC' } },
    'POST /v1/operations/retries': { deposit_id: ids.deposit },
    'POST /v1/settlements': { program_id: ids.program, date: '2026-11-01' },
    'POST /v1/settlements/{settlement_id}/accept-difference': { amount: '1.00', reason: 'foreign' },
    'POST /v1/settlements/{settlement_id}/correct-books': { amount: '1.00', reason: 'foreign' },
    'POST /v1/cards': { account_id: ids.account },
    'POST /v1/card-products': { program_id: ids.program, name: 'Foreign' },
    'PATCH /v1/card-products/{card_product_id}': { name: 'Foreign' },
    'PUT /v1/programs/{program_id}/partner-endpoint': { url: 'http://127.0.0.1:9/decisions' },
    'PUT /v1/cards/{card_id}/controls': {},
    'PUT /v1/accounts/{account_id}/controls': {},
    'PUT /v1/accounts/{account_id}/time-zone': { time_zone: 'Europe/Berlin' },
    'PUT /v1/programs/{program_id}/policy': {},
    'PATCH /v1/programs/{program_id}': { authorization_path: 'workflow' },
    'POST /v1/control-versions': { scope: 'card', card_id: ids.card, controls: {} },
    'POST /v1/control-versions/{control_version_id}/promote': {},
    'POST /v1/control-versions/{control_version_id}/roll-back': {},
    'POST /v1/control-versions/{control_version_id}/backtests': { from: '2026-11-01T00:00:00Z' },
    'POST /v1/simulate/authorizations': { card_id: ids.card, amount: usd },
    'POST /v1/simulate/offline-purchases': { card_id: ids.card, amount: usd },
    'POST /v1/simulate/refund-authorizations': { card_id: ids.card, amount: usd },
    'POST /v1/simulate/force-posts': { card_id: ids.card, amount: usd },
    'POST /v1/simulate/balance-inquiries': { card_id: ids.card },
    'POST /v1/simulate/increments': { authorization_id: ids.authorization, amount: usd },
    'POST /v1/simulate/clearings': { authorization_id: ids.authorization },
    'POST /v1/simulate/reversals': { authorization_id: ids.authorization },
    'POST /v1/simulate/expiries': { authorization_id: ids.authorization },
    'POST /v1/simulate/advices': { authorization_id: ids.authorization, amount: usd },
    'POST /v1/simulate/refunds': { card_id: ids.card, amount: usd },
    'POST /v1/simulate/kyc-outcomes': { cardholder_id: ids.cardholder, outcomes: [{ outcome: 'approved' }] },
    'POST /v1/simulate/deposits': { account_id: ids.account, amount: { amount: '1', asset: 'USDC' } },
  };
}

/** Routes that name nothing of anybody: there is no foreign id to try on them. */
const NAMES_NOTHING = new Set([
  'POST /v1/programs',
  'POST /v1/api-keys',
  'POST /v1/reconciliation',
  'POST /v1/simulate/refund-reversals',
  'POST /v1/simulate/settlements',
  'POST /v1/simulate/off-ramp-plans',
  'POST /v1/simulate/off-ramp-orders',
  'POST /v1/simulate/prices',
  'POST /v1/simulate/blocks',
  'POST /v1/simulate/reorgs',
  'POST /v1/simulate/chain-time',
]);

let tested: ApiUnderTest;
let keyOfA: string;
let keyOfB: string;
let ids: SeededIds;
let paths: Record<string, Record<string, Operation>>;

beforeAll(async () => {
  tested = await startApiUnderTest();
  const a = await tested.createOrganization('tenant-a');
  keyOfA = a.key;
  keyOfB = (await tested.createOrganization('tenant-b')).key;
  ids = await seedEverything(tested.sql, { url: tested.url, ...a });
  paths = (await request(tested.url).get('/openapi.json').expect(200)).body.paths;
});

afterAll(async () => {
  await tested.end();
});

function operations(): { name: string; method: string; path: string }[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ name: `${method.toUpperCase()} ${path}`, method, path })),
  );
}

const isOperatorRoute = (path: string) => path.startsWith('/v1/organizations');

function fill(path: string, idOf: (kind: IdKind) => string): string {
  return path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => {
    const kind = KIND_OF_PARAMETER[name];
    if (kind === undefined) throw new Error(`KIND_OF_PARAMETER does not know ${name}`);
    return idOf(kind);
  });
}

let calls = 0;
function call(method: string, url: string, key: string, body: object | undefined) {
  calls += 1;
  const agent = request(tested.url);
  const made = agent[method as 'get' | 'post' | 'put' | 'patch' | 'delete'](url);
  made.set({ Authorization: `Bearer ${key}`, 'Idempotency-Key': `isolation-${calls}` });
  return body === undefined ? made : made.send(body);
}

const idOfA = (kind: IdKind): string => {
  const id = ids[kind];
  if (id === undefined) throw new Error(`nothing of kind ${kind} was seeded`);
  return id;
};

test('A sees what is hers on every route that reads one thing', async () => {
  const reading = operations().filter(({ method, path }) => method === 'get' && path.includes('{'));
  expect(reading.length).toBeGreaterThan(10);
  for (const { name, method, path } of reading) {
    const answer = await call(method, fill(path, idOfA), keyOfA, undefined);
    // A rate that nobody has read yet is the one thing that may be missing.
    const expected = path.endsWith('/credit-agreement') ? 503 : 200;
    expect({ name, status: answer.status, body: answer.status === expected ? null : answer.body }).toEqual({
      name,
      status: expected,
      body: null,
    });
  }
});

test('B gets 404 for the ids of A on every route that names one, and nothing changes', async () => {
  const before = await tested.countRows();
  const templates = bodies(ids);
  let tried = 0;
  for (const { name, method, path } of operations()) {
    const body = templates[name];
    if (isOperatorRoute(path) || NAMES_NOTHING.has(name) || (!path.includes('{') && method === 'get')) continue;
    if (!path.includes('{') && body === undefined) throw new Error(`${name} needs a body in this test`);
    tried += 1;
    const answer = await call(method, fill(path, idOfA), keyOfB, body);
    expect({ name, status: answer.status, code: answer.body.code }).toEqual({ name, status: 404, code: 'not_found' });
  }
  expect(tried).toBeGreaterThan(25);
  expect(await tested.countRows()).toEqual(before);
});

test('the lists of B are empty, and filters by ids of A find nothing', async () => {
  const lists = operations().filter(({ method, path }) => method === 'get' && !path.includes('{'));
  for (const { name, path } of lists) {
    const own = await call('get', path, keyOfA, undefined);
    const foreign = await call('get', path, keyOfB, undefined);
    expect({ name, statuses: [own.status, foreign.status] }).toEqual({ name, statuses: [200, 200] });
    if (!Array.isArray(foreign.body.data)) continue;
    const ownIds = new Set(own.body.data.map((row: { id: string }) => row.id));
    expect(ownIds.size).toBeGreaterThan(0);
    for (const row of foreign.body.data) expect(ownIds.has(row.id)).toBe(false);
    if (path !== '/v1/api-keys' && path !== '/v1/events')
      expect({ name, data: foreign.body.data }).toEqual({ name, data: [] });
    const filters = paths[path]?.get?.parameters ?? [];
    for (const { name: filter } of filters.filter((parameter) => parameter.in === 'query')) {
      const kind = KIND_OF_PARAMETER[filter];
      if (kind === undefined) continue;
      const filtered = await call('get', `${path}?${filter}=${idOfA(kind)}`, keyOfB, undefined);
      expect({ name, filter, data: filtered.body.data }).toEqual({ name, filter, data: [] });
    }
  }
});

test('an id that exists nowhere is answered like one of somebody else', async () => {
  for (const { method, path } of operations().filter((each) => each.path.includes('{') && each.method === 'get')) {
    const nobodys = fill(path, (kind) => formatId(kind, newId()));
    const [foreign, missing] = [
      await call(method, fill(path, idOfA), keyOfB, undefined),
      await call(method, nobodys, keyOfB, undefined),
    ];
    const { request_id: _one, ...left } = foreign.body;
    const { request_id: _other, ...right } = missing.body;
    expect(left).toEqual(right);
  }
});

test('the roles that serve traffic own nothing and bypass nothing', async () => {
  const roles = await tested.sql.query(
    `SELECT rolname, rolsuper, rolbypassrls, rolcreaterole,
       EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = 'public'::regnamespace) AS owns
     FROM pg_roles r WHERE rolname IN ('escudo_app', 'escudo_authorizer', 'escudo_worker', 'escudo_readonly')`,
  );
  expect(roles.rows).toHaveLength(4);
  for (const role of roles.rows) {
    expect(role).toMatchObject({ rolsuper: false, rolbypassrls: false, rolcreaterole: false, owns: false });
  }
  const open = await tested.sql.query(
    `SELECT table_name FROM information_schema.columns c
     WHERE table_schema = 'public' AND column_name = 'organization_id'
       AND NOT EXISTS (SELECT 1 FROM pg_class t WHERE t.relname = c.table_name
         AND (t.relrowsecurity AND t.relforcerowsecurity OR t.reloptions @> ARRAY['security_invoker=true']))
     ORDER BY 1`,
  );
  // From a vendor's or chain's own name to the tenant: read before any tenant is known.
  expect(open.rows.map((row) => row.table_name)).toEqual([
    'address_routes',
    'api_key_routes',
    'card_routes',
    'vendor_routes',
  ]);
});
