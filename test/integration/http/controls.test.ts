import request from 'supertest';
import { formatId } from '../../../services/shared/ids';
import { createSpendingWorld, type SpendingWorld, type WorldAccount } from '../../builders/spending-world';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';

let tested: ApiUnderTest;
let key: string;
let world: SpendingWorld;
let account: WorldAccount;

beforeAll(async () => {
  tested = await startApiUnderTest();
  world = await createSpendingWorld(tested.database.superuserUrl, { accounts: 1 });
  [account] = world.accounts as [WorldAccount];
  const answer = await request(tested.url)
    .post(`/v1/organizations/${formatId('organization', world.organizationId)}/api-keys`)
    .set('Authorization', `Bearer ${OPERATOR_KEY}`)
    .set('Idempotency-Key', 'controls-key')
    .send({ label: 'tests', scopes: ['read', 'accounts:write', 'cards:write', 'programs:write'] });
  key = answer.body.secret ?? answer.body.api_key?.secret;
});

afterAll(async () => {
  await tested.end();
});

const ofAccount = (rest = '/controls') => `/v1/accounts/${formatId('account', account.accountId)}${rest}`;
const ofCard = (rest = '/controls') => `/v1/cards/${formatId('card', account.cardId)}${rest}`;
const ofProgram = () => `/v1/programs/${formatId('program', world.programId)}`;

function put(path: string, body: object) {
  return request(tested.url).put(path).set('Authorization', `Bearer ${key}`).send(body);
}

function get(path: string) {
  return request(tested.url).get(path).set('Authorization', `Bearer ${key}`);
}

const velocity = (changes: object) => ({ velocity: [{ window_seconds: 60, max_count: 3, per: 'card', ...changes }] });
const hours = (changes: object) => ({ hours: [{ days: [1], from: '08:00', to: '18:00', ...changes }] });

test.each<[string, object, string, RegExp]>([
  ['an unknown field', { colour: 'red' }, '/colour', /not a known field/],
  ['an unknown field of the fleet', { fleet: { tank: 5 } }, '/fleet/tank', /not a known field/],
  ['an unknown field of a rule', velocity({ burst: 1 }), '/velocity/0/burst', /not a known field/],
  ['an amount that is a number', { limits: { day_amount: 500 } }, '/limits/day_amount', /string/],
  ['an amount in dollars', { limits: { day_amount: '5.00' } }, '/limits/day_amount', /cents/],
  ['a negative count', { limits: { day_count: -1 } }, '/limits/day_count', /0/],
  ['a category of three digits', { allowed_mccs: ['541'] }, '/allowed_mccs/0', /"5411"/],
  ['a range backwards', { blocked_mccs: ['5814-5811'] }, '/blocked_mccs/0', /from the lower to the higher/],
  ['an unknown group', { blocked_merchant_groups: ['pubs'] }, '/blocked_merchant_groups/0', /restaurants/],
  ['a country of two letters', { allowed_merchant_countries: ['DE'] }, '/allowed_merchant_countries/0', /alpha-3/],
  ['an unknown channel', { allowed_channels: ['telepathy'] }, '/allowed_channels/0', /ecommerce/],
  [
    'a merchant with a space at its end',
    { allowed_merchants: ['M-1 '] },
    '/allowed_merchants/0',
    /no space at either end/,
  ],
  ['an empty driver', { fleet: { allowed_driver_ids: [''] } }, '/fleet/allowed_driver_ids/0', /driver’s id/],
  ['a day of the week too many', hours({ days: [8] }), '/hours/0/days/0', /7, Sunday/],
  ['a week that begins with 0', hours({ days: [0] }), '/hours/0/days/0', /1, Monday/],
  ['no day at all', hours({ days: [] }), '/hours/0/days', /at least one day/],
  ['an hour that no clock has', hours({ from: '24:00' }), '/hours/0/from', /"23:59"/],
  ['a span of nothing', hours({ from: '08:00', to: '08:00' }), '/hours/0/to', /must differ from "from"/],
  ['no span at all', { hours: [] }, '/hours', /leave it out/],
  ['an instant without its offset', { valid_from: '2026-12-01T00:00:00' }, '/valid_from', /with its offset/],
  ['a day that does not exist', { valid_until: '2026-02-30T25:00:00Z' }, '/valid_until', /with its offset/],
  [
    'an end before its beginning',
    { valid_from: '2026-12-01T00:00:00Z', valid_until: '2026-12-01T00:00:00Z' },
    '/valid_until',
    /after valid_from/,
  ],
  ['a lock of another kind', { merchant_lock: 'always' }, '/merchant_lock', /first_use/],
  ['a window of no length', velocity({ window_seconds: 0 }), '/velocity/0/window_seconds', /1/],
  ['a rule without a count', { velocity: [{ window_seconds: 60, per: 'card' }] }, '/velocity/0/max_count', /required/],
  ['a rule that would have to remember too much', velocity({ max_count: 101 }), '/velocity/0/max_count', /100/],
  [
    'rules that together would',
    { velocity: [60, 61].map((seconds) => ({ window_seconds: seconds, max_count: 51, per: 'card' })) },
    '/velocity',
    /at most 100, not 102/,
  ],
  ['an odometer of no distance', { fleet: { odometer_max_per_day: 0 } }, '/fleet/odometer_max_per_day', /1/],
])('refuses %s, and names the mend', async (_, body, pointer, detail) => {
  const policy = `${ofProgram()}/policy`;
  for (const [path, sent, below] of [
    [ofAccount(), body, ''],
    [ofCard(), body, ''],
    [policy, { controls: body }, '/controls'],
  ] as const) {
    const answer = await put(path, sent);
    expect({ status: answer.status, errors: answer.body.errors }).toEqual({
      status: 400,
      errors: [expect.objectContaining({ pointer: below + pointer, detail: expect.stringMatching(detail) })],
    });
  }
});

test('a program takes controls and caps with its policy, and lets go of them at null', async () => {
  const policy = `${ofProgram()}/policy`;
  const controls = { blocked_channels: ['atm'], hours: [{ days: [1], from: '08:00', to: '18:00' }] };
  const program_limits = { day_amount: '100000', headroom_bps: 500, time_zone: 'Europe/Berlin' };
  expect((await put(policy, { controls, program_limits })).body.policy).toMatchObject({ controls, program_limits });
  // What a change leaves out stays; what it names is replaced as a whole.
  const next = { ...program_limits, day_amount: '90000' };
  expect((await put(policy, { program_limits: next })).body.policy).toMatchObject({ controls, program_limits: next });
  const without = (await put(policy, { controls: null, program_limits: null })).body.policy;
  expect([without.controls, without.program_limits]).toEqual([undefined, undefined]);
  expect((await put(policy, { program_limits: { day_amount: '1', time_zone: 'Etc/UTC' } })).body.errors).toEqual([
    expect.objectContaining({ pointer: '/program_limits/headroom_bps' }),
  ]);
});

test('what a cooling-off leaves in force may be sent back, also where no time is left', async () => {
  const at = (from: string, to: string) => ({ hours: [{ days: [1, 2], from, to }] });
  const policy = `${ofProgram()}/policy`;
  expect((await put(policy, { controls_cooling_off_hours: 24 })).status).toBe(200);
  try {
    expect((await put(ofCard(), { ...at('08:00', '12:00'), limits: { day_amount: '5000' } })).status).toBe(200);
    expect((await put(ofCard(), at('12:00', '20:00'))).status).toBe(200);
    const { controls, pending } = (await get(ofCard())).body as { controls: object; pending: object };
    expect(pending).toMatchObject({ controls: at('12:00', '20:00') });
    expect(controls).toEqual({ never: true, limits: { day_amount: '5000' } });
    const again = await put(ofCard(), controls);
    expect({ status: again.status, controls: again.body.controls }).toEqual({ status: 200, controls });
    expect((await get(ofCard())).body.pending).toBeNull();
    await tested.sql.query('UPDATE cards SET controls = $1 WHERE id = $2', [{ hours: [] }, account.cardId]);
    expect((await get(ofCard())).body.controls).toEqual({ never: true });
  } finally {
    await put(policy, { controls_cooling_off_hours: 0 });
    await put(ofCard(), {});
  }
});

test('a change is refused whose lists of what is blocked are too long together, and changes nothing', async () => {
  const blocking = (from: number) => ({
    blocked_merchants: Array.from({ length: 500 }, (_, index) => `M-${from + index}`),
  });
  const policy = `${ofProgram()}/policy`;
  expect((await put(policy, { controls_cooling_off_hours: 24 })).status).toBe(200);
  try {
    expect((await put(ofCard(), blocking(0))).status).toBe(200);
    const before = (await get(ofCard())).body;
    const refused = await put(ofCard(), blocking(1));
    expect({ status: refused.status, detail: refused.body.detail }).toEqual({
      status: 409,
      detail: expect.stringMatching(/both lists of blocked_merchants are in force.*more than 500/),
    });
    expect((await get(ofCard())).body).toEqual(before);
    // Fewer of them wait, and nothing more is blocked until then.
    const fewer = { blocked_merchants: blocking(0).blocked_merchants.slice(1) };
    expect((await put(ofCard(), fewer)).status).toBe(200);
    expect((await get(ofCard())).body).toMatchObject({ controls: blocking(0), pending: { controls: fewer } });
  } finally {
    await put(policy, { controls_cooling_off_hours: 0 });
    await put(ofCard(), {});
  }
});

test('a rule for all cards is refused on one of them, and taken on the account', async () => {
  const body = velocity({ per: 'account' });
  const answer = await put(ofCard(), body);
  expect(answer.body.errors).toEqual([
    expect.objectContaining({ pointer: '/velocity/0/per', detail: expect.stringMatching(/account’s controls/) }),
  ]);
  expect((await put(ofAccount(), body)).status).toBe(200);
});

test('everything that can be set is stored and shown as it was sent; the next set replaces it as a whole', async () => {
  const body = {
    limits: { per_transaction_amount: '10000', day_amount: '50000', month_count: 20 },
    allowed_merchant_groups: ['fuel', 'automated_fuel'],
    allowed_mccs: ['5541', '5500-5599'],
    blocked_merchants: ['M-9'],
    merchant_lock: 'first_use',
    allowed_merchant_countries: ['DEU', 'FRA'],
    allowed_channels: ['chip', 'contactless'],
    cash_withdrawals: false,
    foreign_currency: false,
    hours: [{ days: [1, 2, 3, 4, 5], from: '22:00', to: '06:00' }],
    valid_from: '2026-01-01T00:00:00Z',
    valid_until: '2099-01-01T00:00:00+01:00',
    single_use: true,
    velocity: [{ window_seconds: 3_600, max_count: 3, max_amount: '30000', merchant_groups: ['fuel'], per: 'card' }],
    fleet: { fuel_only: true, tank_ml: 60_000, odometer_max_per_day: 900, allowed_driver_ids: ['42'] },
  };
  for (const path of [ofAccount(), ofCard()]) {
    expect((await put(path, body)).status).toBe(200);
    expect((await get(path)).body).toMatchObject({ controls: body, pending: null });
    const version = (await get(path)).body.controls_version;
    expect((await put(path, { single_use: true })).status).toBe(200);
    expect((await get(path)).body).toEqual({
      controls: { single_use: true },
      controls_version: version + 1,
      pending: null,
    });
  }
});

test('the zone of an account is one of the zone database', async () => {
  expect((await put(ofAccount('/time-zone'), { time_zone: 'Asia/Tokyo' })).body).toEqual({ time_zone: 'Asia/Tokyo' });
  expect((await get(ofAccount(''))).body.time_zone).toBe('Asia/Tokyo');
  const answer = await put(ofAccount('/time-zone'), { time_zone: 'Mars/Olympus' });
  expect(answer.body.errors).toEqual([expect.objectContaining({ pointer: '/time_zone' })]);
});

test('an id of nobody is not found', async () => {
  const nobody = `acc_${'0'.repeat(32)}`.replace('acc', formatId('account', account.accountId).split('_')[0] ?? '');
  expect((await get(`/v1/accounts/${nobody}/controls`)).status).toBe(404);
  expect((await put(`/v1/accounts/${nobody}/controls`, {})).status).toBe(404);
  expect((await put(`/v1/accounts/${nobody}/time-zone`, { time_zone: 'Etc/UTC' })).status).toBe(404);
});
