import request from 'supertest';
import { newId } from '../../../services/database/new-id';
import { collateralOf, fundsOf } from '../../../services/ledger/account-refs';
import { required } from '../../../services/shared/assert';
import { formatId, type IdKind, parseId } from '../../../services/shared/ids';
import { deposit, WORLD_PRICES } from '../../builders/spending-world';
import { LithicPurchase } from '../authorizations/lifecycle/network';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';
import { type DocumentedOperation, type LiveAnswer, OpenApiChecker, type OpenApiDocument } from './openapi-checker';
import { KIND_OF_PARAMETER, type SeededIds, seedAccount, seedEverything } from './seed-everything';

/** An organization, its key, and an id of each kind that it has. */
interface Tenant {
  readonly id: string;
  readonly key: string;
  readonly ids: Partial<SeededIds>;
}

let tested: ApiUnderTest;
let checker: OpenApiChecker;
/** One row of everything, mostly as young as it can be. */
let seeded: Tenant;
/** One that lives: purchases of every outcome, credit, events. */
let living: Tenant;

beforeAll(async () => {
  // Not as a test: there, an answer that is not as documented is not sent at all.
  tested = await startApiUnderTest({ ESCUDO_ENV: 'development' });
  checker = new OpenApiChecker((await request(tested.url).get('/openapi.json').expect(200)).body as OpenApiDocument);
  const one = await tested.createOrganization('live-answers-seeded');
  seeded = { ...one, ids: await seedEverything(tested.sql, { url: tested.url, ...one }) };
  const other = await tested.createOrganization('live-answers-living');
  living = { ...other, ids: await live(other) };
});

afterAll(async () => {
  await tested.end();
});

function uuidOf(kind: IdKind, id: string | undefined): string {
  const parsed = parseId(kind, required(id, kind));
  if (!parsed.ok) throw new Error(`${id} is no ${kind}`);
  return parsed.value;
}

/** A cardholder who buys: approved, in part, declined, more, less, cleared, refunded, by a loan. */
async function live(owner: { readonly id: string; readonly key: string }): Promise<Partial<SeededIds>> {
  const { sql, url } = tested;
  const made = await seedAccount(sql, { url, ...owner });
  const organizationId = uuidOf('organization', owner.id);
  const account = {
    accountId: uuidOf('account', made.account),
    cardholderId: uuidOf('cardholder', made.cardholder),
    cardId: uuidOf('card', made.card),
    cardToken: made.cardToken,
  };
  await sql.query(
    `INSERT INTO asset_prices (asset, price_usd_e8, feed, round_id, heartbeat_seconds, observed_at)
     SELECT a, p::numeric, 'test', 1, 86400, now() FROM unnest($1::text[], $2::text[]) AS w(a, p)`,
    [Object.keys(WORLD_PRICES), Object.values(WORLD_PRICES).map(String)],
  );
  await sql.query(
    `INSERT INTO venue_reserves (venue, asset, borrow_index_ray, borrow_rate_ray, available_liquidity, block_number, observed_at)
     VALUES ('aave_v3', 'USDC', 10::numeric ^ 27, 5 * 10::numeric ^ 25, 1000000000000000, 1, now())`,
  );
  await deposit(sql, organizationId, [account], 'USDC', 900_000_000n, (id) => fundsOf(id, 'USDC'));
  await deposit(sql, organizationId, [account], 'WETH', 10n ** 18n, (id) => collateralOf(id, 'WETH'));
  await deposit(sql, organizationId, [account], 'WETH', 10n ** 18n, (id) => fundsOf(id, 'WETH'));
  await sql.query('UPDATE accounts SET version = version + 1, delegation_left = 10::numeric ^ 30 WHERE id = $1', [
    account.accountId,
  ]);
  const buy = async (cents: number, details: ConstructorParameters<typeof LithicPurchase>[2] = {}) => {
    const purchase = new LithicPurchase(tested, account, details);
    const { result } = await purchase.ask(cents);
    return { purchase, result };
  };
  const cleared = await buy(4_250);
  expect(cleared.result).toBe('APPROVED');
  await cleared.purchase.tell('CLEARING', 4_250);
  await cleared.purchase.tell('RETURN', 1_000);
  const reversed = await buy(2_000, { merchantCurrency: { currency: 'EUR', perDollar: 0.9 } });
  await reversed.purchase.ask(500);
  await reversed.purchase.tell('AUTHORIZATION_REVERSAL', 700);
  expect((await buy(9_999_999)).result).not.toBe('APPROVED');
  await new LithicPurchase(tested, account).tell('CLEARING', 1_234);
  return { ...made, organization: owner.id };
}

let calls = 0;
async function call(
  method: string,
  url: string,
  key: string | null,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<LiveAnswer> {
  calls += 1;
  const made = request(tested.url)[method as 'get' | 'post' | 'put' | 'patch' | 'delete'](url);
  made.set({ 'Idempotency-Key': `live-answers-${calls}`, ...headers });
  if (key !== null) made.set('Authorization', `Bearer ${key}`);
  const answer = await (body === undefined ? made : made.send(body));
  const type = String(answer.headers['content-type']).split(';')[0] ?? '';
  return { status: answer.status, type, headers: answer.headers, body: answer.body };
}

function fill(path: string, idOf: (kind: IdKind | undefined) => string): string {
  return path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => idOf(KIND_OF_PARAMETER[name]));
}

/** Everything that was found wrong, each with the first call that showed it: one failure tells of all. */
class Findings {
  private readonly found = new Map<string, string>();

  check(operation: DocumentedOperation, url: string, answer: LiveAnswer, status?: number): void {
    const problems = [...checker.problems(operation, answer)];
    if (status !== undefined && answer.status !== status)
      problems.push(`status ${answer.status}, not ${status}: ${JSON.stringify(answer.body)}`);
    for (const problem of problems) {
      const finding = `${operation.name}: ${problem}`;
      if (!this.found.has(finding)) this.found.set(finding, url);
    }
  }

  expectNone(): void {
    expect([...this.found].map(([finding, url]) => `${finding} at ${url}`)).toEqual([]);
  }
}

const successOf = ({ operation }: DocumentedOperation): number =>
  Number(Object.keys(operation.responses).find((status) => /^2/.test(status)));
const isOperators = ({ path }: DocumentedOperation) => path.startsWith('/v1/organizations');
const reads = () => checker.operations.filter(({ method }) => method === 'get');
const lists = () => reads().filter(({ path }) => !path.includes('{'));

/** Every URL of a GET that the ids found so far lead to; `idsAt` knows what the list at a URL has. */
function urlsOf({ path }: DocumentedOperation, idsAt: ReadonlyMap<string, readonly string[]>): readonly string[] {
  let urls: readonly string[] = [''];
  for (const part of path.split('/').slice(1))
    urls = urls.flatMap((url) =>
      (part.startsWith('{') ? (idsAt.get(url) ?? []) : [part]).map((each) => `${url}/${each}`),
    );
  return urls;
}

/** Calls every GET for everything that a tenant has, and answers which of them found something. */
async function readAll(tenant: Tenant, findings: Findings): Promise<ReadonlySet<string>> {
  const shown = new Set<string>();
  const idsAt = new Map<string, readonly string[]>();
  const depthOf = ({ path }: DocumentedOperation) => path.split('{').length;
  for (const operation of [...reads()].sort((one, other) => depthOf(one) - depthOf(other))) {
    for (const url of urlsOf(operation, idsAt)) {
      const answer = await call('get', url, tenant.key);
      findings.check(operation, url, answer);
      if (answer.status !== successOf(operation)) continue;
      shown.add(operation.name);
      const { data } = answer.body as { data?: readonly { id?: string }[] };
      if (Array.isArray(data))
        idsAt.set(
          url,
          data.flatMap(({ id }) => (id === undefined ? [] : [id])),
        );
    }
  }
  return shown;
}

test('every schema of the document is one, to the letter', () => {
  expect(checker.compileAll()).toBeGreaterThan(150);
});

test('an answer that is not as documented is found', async () => {
  const operation = checker.operation('GET /v1/accounts/{account_id}');
  const answer = await call('get', `/v1/accounts/${living.ids.account}`, living.key);
  expect(checker.problems(operation, answer)).toEqual([]);
  const body = answer.body as Record<string, unknown>;
  const { state: _state, ...without } = body;
  for (const wrong of [{ ...body, more: 1 }, without, { ...body, state: 'odd' }, { ...body, created_at: 'yesterday' }])
    expect(checker.problems(operation, { ...answer, body: wrong })).toHaveLength(1);
  expect(checker.problems(operation, { ...answer, status: 201 })).toHaveLength(1);
  expect(checker.problems(operation, { ...answer, type: 'text/html' })).toHaveLength(1);
});

test('every GET finds something, and answers as documented', async () => {
  const findings = new Findings();
  const shown = new Set([...(await readAll(seeded, findings)), ...(await readAll(living, findings))]);
  findings.expectNone();
  const all = reads().filter((operation) => !isOperators(operation));
  expect(all.length).toBeGreaterThan(40);
  expect(all.filter(({ name }) => !shown.has(name)).map(({ name }) => name)).toEqual([]);
});

test('every list pages and filters as documented', async () => {
  const findings = new Findings();
  let pages = 0;
  for (const list of lists()) {
    const parameters = list.operation.parameters?.filter(({ in: place }) => place === 'query') ?? [];
    if (parameters.some(({ name }) => name === 'limit')) {
      let url: string | null = `${list.path}?limit=1`;
      for (let page = 0; url !== null && page < 3; page += 1) {
        const answer = await call('get', url, living.key);
        findings.check(list, url, answer, 200);
        const { data, has_more: more } = answer.body as { data: { id: string }[]; has_more: boolean };
        expect([url, data.length]).toEqual([url, more ? 1 : Math.min(data.length, 1)]);
        url = more ? `${list.path}?limit=1&starting_after=${data[0]?.id}` : null;
        pages += 1;
      }
    }
    for (const { name, schema } of parameters) {
      const kind = KIND_OF_PARAMETER[name];
      const values = schema.enum ?? (kind === undefined ? [] : [required(seeded.ids[kind], kind)]);
      for (const value of values) {
        const url = `${list.path}?${name}=${value}`;
        findings.check(list, url, await call('get', url, seeded.key), 200);
      }
    }
  }
  expect(pages).toBeGreaterThan(20);
  findings.expectNone();
});

test('every refusal is a problem as documented', async () => {
  const findings = new Findings();
  for (const operation of checker.operations) {
    const { method, path } = operation;
    const nobodys = fill(path, (kind = 'program') => formatId(kind, newId()));
    findings.check(operation, `${nobodys} without a key`, await call(method, nobodys, null), 401);
    const key = isOperators(operation) ? OPERATOR_KEY : seeded.key;
    const strange = await call(method, `${nobodys}?nothing=1`, key, { nothing: 1 });
    expect([operation.name, strange.status >= 400 && strange.status < 500]).toEqual([operation.name, true]);
    findings.check(operation, `${nobodys} with what nobody knows`, strange);
    if (path.includes('{') && method === 'get')
      findings.check(operation, nobodys, await call(method, nobodys, key), 404);
  }
  findings.expectNone();
});

/** A new route is tried, or named here. */
const NOT_TRIED: readonly string[] = [
  // Needs a loan, which the chain gives.
  'POST /v1/accounts/{account_id}/repayments',
];

test('what changes something answers what is documented, and takes what is documented', async () => {
  const findings = new Findings();
  const acted = new Set<string>();
  const usd = (amount: string) => ({ amount, asset: 'USD' });
  const { ids } = living;
  const from = new Date(Date.now() - 86_400_000).toISOString();
  const act = async (name: string, body?: object, more: Readonly<Record<string, string>> = {}) => {
    const operation = checker.operation(name);
    const url = fill(operation.path, (kind = 'program') => required(more[kind] ?? ids[kind], `${kind} for ${name}`));
    if (body !== undefined)
      for (const problem of checker.bodyProblems(operation, body)) throw new Error(`${name}: ${problem}`);
    const answer = await call(operation.method, url, isOperators(operation) ? OPERATOR_KEY : living.key, body);
    findings.check(operation, url, answer, successOf(operation));
    acted.add(name);
    return answer.body as Record<string, string>;
  };

  await act('POST /v1/organizations', { name: 'Another' });
  await act('POST /v1/organizations/{organization_id}/api-keys', { label: 'reader', scopes: ['read'] });
  const apiKey = await act('POST /v1/api-keys', { label: 'second' });
  await act('POST /v1/api-keys/{api_key_id}/revoke', undefined, { apiKey: String(apiKey.api_key_id ?? apiKey.id) });
  const program = await act('POST /v1/programs', { name: 'Second' });
  const second = { program: required(program.id, 'program') };
  await act('PATCH /v1/programs/{program_id}', { authorization_path: 'workflow' }, second);
  await act('PUT /v1/programs/{program_id}/policy', { partial_approvals: true }, second);
  await act('POST /v1/programs/{program_id}/disable', { reason: 'tried out' }, second);
  await act('POST /v1/programs/{program_id}/enable', undefined, second);
  const endpoint = { url: 'http://127.0.0.1:9/decisions' };
  await act('PUT /v1/programs/{program_id}/partner-endpoint', endpoint, second);
  await act('POST /v1/programs/{program_id}/partner-endpoint/rotate-secret', undefined, second);
  await act('POST /v1/programs/{program_id}/partner-endpoint/test', undefined, second);
  await act('DELETE /v1/programs/{program_id}/partner-endpoint', undefined, second);
  const product = await act('POST /v1/card-products', { program_id: ids.program, name: 'Gold' });
  const gold = { cardProduct: required(product.id, 'product') };
  await act('PATCH /v1/card-products/{card_product_id}', { name: 'Golden' }, gold);
  await act('POST /v1/card-products/{card_product_id}/disable', { reason: 'tried out' }, gold);
  await act('POST /v1/card-products/{card_product_id}/enable', undefined, gold);
  const person = {
    first_name: 'Grace',
    last_name: 'Hopper',
    date_of_birth: '1986-12-09',
    email: 'grace@example.com',
    residence_country: 'DEU',
    nationality: 'DEU',
  };
  const cardholder = await act('POST /v1/cardholders', { program_id: ids.program, ...person });
  await act(
    'POST /v1/cardholders/{cardholder_id}/kyc',
    {
      documents: [
        { type: 'passport', country: 'DEU', file_name: 'a.png', content_type: 'image/png', content: 'iVBORw0KGgo=' },
      ],
    },
    { cardholder: required(cardholder.id, 'cardholder') },
  );
  await tested.sql.query("UPDATE cardholders SET kyc_state = 'approved' WHERE id = $1", [
    uuidOf('cardholder', cardholder.id),
  ]);
  await act('POST /v1/accounts', { program_id: ids.program, cardholder_id: cardholder.id });
  await act('POST /v1/accounts/{account_id}/deposit-addresses');
  await act('PUT /v1/accounts/{account_id}/time-zone', { time_zone: 'Europe/Berlin' });
  await act('PUT /v1/accounts/{account_id}/funding-policy', { mode: 'automatic' });
  await act('PUT /v1/accounts/{account_id}/controls', { limits: { day_amount: '500000' } });
  await act('PUT /v1/cards/{card_id}/controls', { limits: { day_amount: '400000' } });
  const shown = (await call('get', `/v1/accounts/${ids.account}/credit-agreement`, living.key)).body as {
    terms_version: string;
    document_sha256: string;
  };
  await act('POST /v1/accounts/{account_id}/credit-agreement', {
    terms_version: shown.terms_version,
    document_sha256: shown.document_sha256,
  });
  await act('POST /v1/accounts/{account_id}/quote', { amount: usd('10.00') });
  await act('POST /v1/accounts/{account_id}/quote', { amount: usd('99999.00'), mcc: '5812', channel: 'ecommerce' });
  await act('POST /v1/accounts/{account_id}/funding-policy/preview', {
    funding_policy: { mode: 'borrow' },
    purchases: [{ amount: usd('10.00') }, { amount: usd('99999.00') }],
  });
  const card = await act('POST /v1/cards', { account_id: ids.account, memo: 'for travel' });
  await act('POST /v1/cards/{card_id}/pause');
  await act('POST /v1/cards/{card_id}/resume');
  await act('POST /v1/cards/{card_id}/close', undefined, { card: required(card.id, 'card') });
  const version = await act('POST /v1/control-versions', {
    scope: 'card',
    card_id: ids.card,
    controls: { limits: { day_amount: '5000' } },
    note: 'calmer',
  });
  const drafted = { controlVersion: required(version.id, 'version') };
  const backtest = await act('POST /v1/control-versions/{control_version_id}/backtests', { from }, drafted);
  await act('POST /v1/backtests/{backtest_id}/cancel', undefined, { backtest: required(backtest.id, 'backtest') });
  await act('POST /v1/control-versions/{control_version_id}/promote', undefined, drafted);
  const controls = { limits: { day_amount: '4000' } };
  const dropped = await act('POST /v1/control-versions', { scope: 'card', card_id: ids.card, controls });
  const draft = { controlVersion: required(dropped.id, 'draft') };
  await act('POST /v1/control-versions/{control_version_id}/discard', undefined, draft);
  const versions = await call('get', `/v1/control-versions?card_id=${ids.card}`, living.key);
  const first = required((versions.body as { data: { id: string }[] }).data.at(-1), 'the first version');
  await act('POST /v1/control-versions/{control_version_id}/roll-back', undefined, { controlVersion: first.id });
  await act('POST /v1/accounts/{account_id}/collateral/pledge', { amount: { amount: '0.1', asset: 'WETH' } });
  await act('POST /v1/accounts/{account_id}/collateral/release', { amount: { amount: '0.2', asset: 'WETH' } });
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const opened = await act('POST /v1/settlements', { program_id: ids.program, date: yesterday });
  const settlement = { settlement: required(opened.id, 'settlement') };
  await act('POST /v1/settlements/{settlement_id}/compare', undefined, settlement);
  await tested.sql.query(
    `UPDATE settlements SET state = 'paid', network_amount = 5000, ledger_amount = 5000, paid_amount = 5100, bank_amount = 5100,
       difference = 'the bank moved 51.00', books_difference = 40, compared_at = now() WHERE id = $1`,
    [uuidOf('settlement', opened.id)],
  );
  expect((await act('GET /v1/operations/stuck')).stuck).toMatchObject([{ kind: 'settlement', id: opened.id }]);
  await act('POST /v1/operations/retries', { settlement_id: opened.id });
  const lacking = { amount: '0.40', reason: 'booked back by mistake' };
  const corrected = await act('POST /v1/settlements/{settlement_id}/correct-books', lacking, settlement);
  expect(corrected).toMatchObject({ state: 'paid', books_difference: null });
  const stays = { amount: '1.00', reason: 'below what asking costs' };
  const accepted = await act('POST /v1/settlements/{settlement_id}/accept-difference', stays, settlement);
  expect(accepted).toMatchObject({ state: 'reconciled', accepted: { reason: stays.reason } });
  await act('GET /v1/settlements/{settlement_id}', undefined, settlement);
  // The vendors are not there: proofs that could not be had are documented too.
  await act('POST /v1/reconciliation');
  findings.expectNone();
  const left = checker.operations.filter(
    ({ method, name, path }) => method !== 'get' && !path.startsWith('/v1/simulate/') && !acted.has(name),
  );
  expect(left.map(({ name }) => name)).toEqual(NOT_TRIED);
});
