import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../../services/authorizations/amend-authorization';
import { findAuthorization } from '../../../services/authorizations/authorization.repository';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { expireAuthorization } from '../../../services/authorizations/expire-authorization';
import { quoteSpend, SMALLEST_PURCHASE } from '../../../services/authorizations/quote-spend';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import type { StoredLimitCounters } from '../../../services/cards/rules/limit-counters';
import type { SpendControls } from '../../../services/cards/rules/spend-controls';
import { updateCardControls } from '../../../services/cards/update-card-controls';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import type { ProgramPolicy } from '../../../services/programs/rules/program-policy';
import { createProgramUsageSummer, type ProgramUsageSummer } from '../../../services/programs/sum-program-usage';
import type { AuthorizationReply, AuthorizationRequest } from '../../../services/providers/processor/port';
import {
  cardEvent,
  createSpendingWorld,
  purchase,
  type SpendingWorld,
  type WorldAccount,
} from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;
const SHOP = { id: 'M-1', name: 'Corner Grocer', city: 'Berlin', country: 'DEU', mcc: '5411' };
const OTHER_SHOP = { ...SHOP, id: 'M-2' };
const PUMP = { id: 'STATION-1', name: 'Pump', city: 'Berlin', country: 'DEU', mcc: '5542' };

let database: TestDatabase;
let superuser: Client;
let pool: Pool;
let knex: Knex;
let workerKnex: Knex;
let authorizer: Authorizer;
/** Real time moves it on; tests move it further. */
let ahead = 0;
const clock = { now: () => new Date(Date.now() + ahead) };

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  knex = createKnex(database.urls.escudo_app, 4, 'test');
  workerKnex = createKnex(database.urls.escudo_worker, 2, 'test');
  authorizer = newAuthorizer();
});

function newAuthorizer(): Authorizer {
  return createTestAuthorizer(pool, {
    clock,
    amend: (request, known) => amendAuthorization({ knex, clock, sealer: testSealer(), partner: null }, request, known),
  });
}

afterAll(async () => {
  await Promise.all([pool.end(), superuser.end(), knex.destroy(), workerKnex.destroy()]);
  await database.drop();
});

beforeEach(() => {
  ahead = 0;
});

async function worldOf(given: {
  readonly policy?: Partial<ProgramPolicy>;
  readonly account?: SpendControls;
  readonly card?: SpendControls;
  readonly accounts?: number;
}): Promise<SpendingWorld> {
  const world = await createSpendingWorld(database.superuserUrl, {
    accounts: given.accounts ?? 1,
    funds: { USDC: 10_000n * USDC },
    policy: { limits: {}, ...given.policy },
  });
  for (const { accountId, cardId } of world.accounts) {
    await superuser.query('UPDATE accounts SET controls = $1, version = version + 1 WHERE id = $2', [
      JSON.stringify(given.account ?? {}),
      accountId,
    ]);
    await superuser.query('UPDATE cards SET controls = $1 WHERE id = $2', [JSON.stringify(given.card ?? {}), cardId]);
  }
  return world;
}

async function cardOf(given: Parameters<typeof worldOf>[0]): Promise<{ world: SpendingWorld; card: WorldAccount }> {
  const world = await worldOf(given);
  const [card] = world.accounts;
  if (!card) throw new Error('no account');
  return { world, card };
}

async function told(reply: Promise<AuthorizationReply>): Promise<string> {
  const { outcome, declineReason } = await reply;
  return declineReason ?? outcome;
}

function buy(card: WorldAccount, amount: bigint, overrides: Partial<AuthorizationRequest> = {}) {
  return told(authorizer.authorize(purchase(card, amount, overrides)));
}

async function happen(...[request, kind, overrides]: Parameters<typeof cardEvent>): Promise<void> {
  const recorded = await recordCardEvent({ knex, clock, sealer: testSealer() }, cardEvent(request, kind, overrides));
  expect(recorded.kind).toBe('recorded');
}

function more(request: AuthorizationRequest, name: string, amount: bigint): AuthorizationRequest {
  return {
    ...request,
    messageId: `${request.messageId}-${name}`,
    contentHash: name,
    amount,
    amountBasis: 'delta',
    occurredAt: clock.now(),
    respondBy: new Date(clock.now().getTime() + 60_000),
  };
}

async function cardCounters(card: WorldAccount): Promise<StoredLimitCounters> {
  const { rows } = await superuser.query('SELECT windows FROM limit_counters WHERE scope_id = $1', [card.cardId]);
  return rows[0].windows;
}

test('each family of controls on the card is heard by the network, in its own words', async () => {
  const cases: [SpendControls, Partial<AuthorizationRequest>, string][] = [
    [{ blocked_merchants: ['M-1'] }, {}, 'merchant_blocked'],
    [{ allowed_mccs: ['5812'] }, {}, 'mcc_blocked'],
    [{ allowed_merchant_countries: ['FRA'] }, {}, 'country_blocked'],
    [{ allowed_channels: ['contactless'] }, {}, 'channel_blocked'],
    [{ cash_withdrawals: false }, { cashAmount: 100n }, 'channel_blocked'],
    [{ foreign_currency: false }, { merchantCurrency: 'EUR' }, 'foreign_currency_blocked'],
    [{ valid_until: '2020-01-01T00:00:00Z' }, {}, 'outside_validity'],
    [{ limits: { per_transaction_amount: '999' } }, {}, 'amount_limit_exceeded'],
    [{ fleet: { driver_id_required: true } }, { merchant: PUMP }, 'fleet_data_required'],
    [{ fleet: { per_fill_amount: '999' } }, { merchant: PUMP }, 'fleet_limit_exceeded'],
  ];
  for (const [controls, request, reason] of cases) {
    const { card } = await cardOf({ card: controls });
    expect([controls, await buy(card, 1_000n, request)]).toEqual([controls, reason]);
    const other = await cardOf({ account: controls });
    expect([controls, await buy(other.card, 1_000n, request)]).toEqual([controls, reason]);
    const third = await cardOf({ policy: { controls } });
    expect([controls, await buy(third.card, 1_000n, request)]).toEqual([controls, reason]);
  }
});

test('a card for one purchase: an increment and the clearing of it go through, and a reversed one gives it back', async () => {
  const { card } = await cardOf({ card: { single_use: true } });
  const first = purchase(card, 1_000n);
  expect(await told(authorizer.authorize(first))).toBe('approved');
  expect(await buy(card, 100n)).toBe('single_use_spent');
  await happen(first, 'reversal');
  const second = purchase(card, 2_000n);
  expect(await told(authorizer.authorize(second))).toBe('approved');
  const more = {
    ...second,
    messageId: `${second.messageId}-more`,
    contentHash: 'more',
    amount: 500n,
    amountBasis: 'delta' as const,
  };
  expect(await told(authorizer.authorize(more))).toBe('approved');
  await happen(second, 'reversal', { amount: 100n });
  expect(await buy(card, 100n)).toBe('single_use_spent');
  await happen(second, 'clearing', { amount: 2_400n });
  expect(await buy(card, 100n)).toBe('single_use_spent');
});

test('a card locks to the merchant of its first approval, and opens when nothing of that stands', async () => {
  const { card } = await cardOf({ card: { merchant_lock: 'first_use' } });
  expect(await buy(card, 99_999_999_999n, { merchant: OTHER_SHOP })).toBe('insufficient_funds');
  expect(await buy(card, 0n, { merchant: OTHER_SHOP, kind: 'zero_amount_verification' })).toBe('approved');
  const first = purchase(card, 1_000n);
  expect(await told(authorizer.authorize(first))).toBe('approved');
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('merchant_blocked');
  const again = purchase(card, 1_000n);
  expect(await told(authorizer.authorize(again))).toBe('approved');
  await happen(first, 'reversal');
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('merchant_blocked');
  await happen(again, 'reversal');
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('approved');
  expect(await buy(card, 1_000n)).toBe('merchant_blocked');
});

test('a card opens although the network went ahead at another merchant while it was locked', async () => {
  const { card } = await cardOf({ card: { merchant_lock: 'first_use' } });
  const first = purchase(card, 1_000n);
  expect(await told(authorizer.authorize(first))).toBe('approved');
  const stoodIn = purchase(card, 700n, { merchant: OTHER_SHOP });
  await happen(stoodIn, 'authorization_advice', { amount: 700n });
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('merchant_blocked');
  await happen(stoodIn, 'reversal', { amount: 700n });
  await happen(first, 'reversal');
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('approved');
});

test('a purchase that is told of again after it was taken back locks the card anew, and opens it again', async () => {
  const { card } = await cardOf({
    card: { merchant_lock: 'first_use', velocity: [{ window_seconds: 3_600, max_count: 1, per: 'card' }] },
  });
  const first = purchase(card, 1_000n);
  expect(await told(authorizer.authorize(first))).toBe('approved');
  await happen(first, 'reversal');
  await happen(first, 'authorization_advice', { amount: 700n });
  expect(await cardCounters(card)).toMatchObject({ lock: ['M-1', expect.anything(), 1], recent: [expect.anything()] });
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('merchant_blocked');
  await happen(first, 'reversal', { amount: 700n });
  expect((await cardCounters(card)).recent).toBeUndefined();
  expect(await buy(card, 1_000n, { merchant: OTHER_SHOP })).toBe('approved');
});

test('velocity counts within the window, and what expires as a whole no longer does', async () => {
  const { world, card } = await cardOf({
    card: { velocity: [{ window_seconds: 3_600, max_count: 2, max_amount: '3000', per: 'card' }] },
  });
  const first = purchase(card, 2_000n);
  const { authorizationId } = await authorizer.authorize(first);
  expect(await buy(card, 1_001n)).toBe('velocity_exceeded');
  expect(await buy(card, 1_000n)).toBe('approved');
  expect(await buy(card, 1n)).toBe('velocity_exceeded');
  await superuser.query("UPDATE authorizations SET expires_at = now() - interval '1 second' WHERE id = $1", [
    authorizationId,
  ]);
  await expireAuthorization(
    { knex, clock },
    { organizationId: world.organizationId, authorizationId: authorizationId ?? '' },
  );
  expect(await buy(card, 2_001n)).toBe('velocity_exceeded');
  expect(await buy(card, 2_000n)).toBe('approved');
  ahead = 3_600_000;
  expect(await buy(card, 3_000n)).toBe('approved');
  // What is older than every rule is not kept.
  expect((await cardCounters(card)).recent).toHaveLength(1);
});

test('velocity sees more of an older purchase when it is asked for, and gives it back', async () => {
  const { card } = await cardOf({
    card: { velocity: [{ window_seconds: 3_600, max_count: 5, max_amount: '50000', per: 'card' }] },
  });
  const first = purchase(card, 100n);
  expect(await told(authorizer.authorize(first))).toBe('approved');
  ahead = 7_200_000;
  expect(await told(authorizer.authorize(more(first, 'a', 40_000n)))).toBe('approved');
  expect(await told(authorizer.authorize(more(first, 'b', 10_001n)))).toBe('velocity_exceeded');
  await happen(first, 'reversal', { amount: 15_000n, effectiveAt: clock.now() });
  expect(await told(authorizer.authorize(more(first, 'c', 25_001n)))).toBe('velocity_exceeded');
  expect(await told(authorizer.authorize(more(first, 'd', 25_000n)))).toBe('approved');
  await happen(first, 'reversal', { amount: 50_100n, effectiveAt: clock.now() });
  expect((await cardCounters(card)).recent).toBeUndefined();
});

test('velocity counts a purchase that had ended and is told of again as a purchase of now', async () => {
  const { card } = await cardOf({ card: { velocity: [{ window_seconds: 3_600, max_count: 1, per: 'card' }] } });
  const first = purchase(card, 100n);
  expect(await told(authorizer.authorize(first))).toBe('approved');
  await happen(first, 'expiry');
  ahead = 7_200_000;
  await happen(first, 'authorization_advice', { amount: 1_000n, effectiveAt: clock.now() });
  const inTime = () => ({ respondBy: new Date(clock.now().getTime() + 60_000) });
  expect(await buy(card, 1_000n, inTime())).toBe('velocity_exceeded');
  ahead += 3_600_000;
  expect(await buy(card, 1_000n, inTime())).toBe('approved');
});

test('velocity of an account looks at all of its cards', async () => {
  const { world, card } = await cardOf({
    account: { velocity: [{ window_seconds: 60, max_count: 1, per: 'account' }] },
  });
  expect(await buy(card, 100n)).toBe('approved');
  await superuser.query(
    `WITH twin AS (INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor, card_token, last_four, network, expiry_month, expiry_year)
       SELECT organization_id, gen_random_uuid(), account_id, program_id, cardholder_id, state, processor, 'twin-' || id, last_four, network, 12, 2099
       FROM cards WHERE id = $1 RETURNING organization_id, id, account_id, card_token)
     INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id)
     SELECT 'lithic', card_token, organization_id, id, account_id FROM twin`,
    [card.cardId],
  );
  expect(world.accounts).toHaveLength(1);
  expect(await buy({ ...card, cardToken: `twin-${card.cardId}` }, 100n)).toBe('velocity_exceeded');
});

test('fuel cards: prompts, an odometer that only moves on, and back when its fill is taken back', async () => {
  const { card } = await cardOf({
    card: {
      fleet: {
        fuel_only: true,
        odometer_required: true,
        odometer_max_per_day: 500,
        allowed_driver_ids: ['42'],
        tank_ml: 60_000,
      },
    },
  });
  const fill = (odometer: bigint | null, more: object = {}) =>
    purchase(card, 5_000n, {
      merchant: PUMP,
      fleet: { driverId: '0042', vehicleId: null, odometer, fuelVolumeMl: null, fuelType: null, ...more },
    });
  const told_ = (request: AuthorizationRequest) => told(authorizer.authorize(request));
  expect(await buy(card, 100n)).toBe('mcc_blocked');
  expect(await told_(fill(null))).toBe('fleet_data_required');
  expect(await told_(fill(10_000n, { driverId: null }))).toBe('fleet_data_required');
  expect(await told_(fill(10_000n, { driverId: '43' }))).toBe('driver_id_invalid');
  expect(await told_(fill(10_000n, { fuelVolumeMl: 60_001n }))).toBe('fleet_limit_exceeded');
  expect(await told_(fill(10_000n))).toBe('approved');
  expect(await told_(fill(10_000n))).toBe('fleet_data_required');
  const typo = fill(10_500n);
  expect(await told_(typo)).toBe('approved');
  expect(await told_(fill(10_400n))).toBe('fleet_data_required');
  await happen(typo, 'reversal');
  expect(await told_(fill(10_400n))).toBe('approved');
  expect(await told_(fill(10_901n))).toBe('fleet_data_required');
});

test('a partial approval stays within the tightest limit of all levels', async () => {
  const { card } = await cardOf({
    policy: { partial_approvals: true, controls: { limits: { day_amount: '9000' } } },
    account: { limits: { week_amount: '8000' } },
    card: { velocity: [{ window_seconds: 60, max_count: 5, max_amount: '7000', per: 'card' }] },
  });
  const partly = (amount: bigint) => authorizer.authorize(purchase(card, amount, { partialApprovalAllowed: true }));
  expect(await partly(50_000n)).toMatchObject({ outcome: 'partially_approved', approvedAmount: 7_000n });
  ahead = 60_000;
  expect(await partly(50_000n)).toMatchObject({ outcome: 'partially_approved', approvedAmount: 1_000n });
  expect(await partly(50_000n)).toMatchObject({ outcome: 'declined', declineReason: 'amount_limit_exceeded' });
});

test('a change of zone gives no second day', async () => {
  const { card } = await cardOf({ policy: { limits: { day_count: 1 } } });
  expect(await buy(card, 100n)).toBe('approved');
  for (const zone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago', 'Asia/Kathmandu']) {
    await superuser.query('UPDATE accounts SET time_zone = $1, version = version + 1 WHERE id = $2', [
      zone,
      card.accountId,
    ]);
    expect(await buy(card, 100n)).toBe('count_limit_exceeded');
  }
});

test('what waits for its cooling-off is in force from its instant on', async () => {
  const { card } = await cardOf({ card: { blocked_channels: ['chip'] } });
  const pending = { controls: {}, effective_at: new Date(Date.now() + 3_600_000).toISOString() };
  await superuser.query('UPDATE cards SET pending_controls = $1 WHERE id = $2', [JSON.stringify(pending), card.cardId]);
  expect(await buy(card, 100n)).toBe('channel_blocked');
  ahead = 3_600_000;
  expect(await buy(card, 100n)).toBe('approved');
});

describe('caps of a whole program', () => {
  /** Sums, and asks somebody who has not looked yet: the authorizer looks at what was summed ten times a second. */
  async function sum(summer: ProgramUsageSummer): Promise<void> {
    await summer.run();
    authorizer = newAuthorizer();
  }

  const usageOf = async (world: SpendingWorld) => {
    const { rows } = await superuser.query('SELECT windows FROM program_usage WHERE program_id = $1', [
      world.programId,
    ]);
    return rows[0]?.windows;
  };

  test('are held by what was summed of all accounts, and what is taken back makes room again', async () => {
    const world = await worldOf({
      accounts: 3,
      policy: { program_limits: { day_amount: '10000', month_count: 4, headroom_bps: 1_000, time_zone: 'Etc/UTC' } },
    });
    const [one, two, three] = world.accounts as [WorldAccount, WorldAccount, WorldAccount];
    const summer = createProgramUsageSummer({ workerKnex, clock });
    const first = purchase(one, 5_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    await sum(summer);
    // 100.00 less a tenth, of which 50.00 are spent.
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 4_000n)).toBe('approved');
    await sum(summer);
    expect(await buy(three, 1n)).toBe('program_limit_exceeded');
    await happen(first, 'reversal');
    await sum(summer);
    expect(await buy(three, 100n)).toBe('approved');
    // Older purchases are settled sums by now; what is summed anew finds the same.
    ahead = 40_000;
    await summer.run();
    await sum(summer);
    expect(await buy(three, 4_901n)).toBe('program_limit_exceeded');
    expect(await buy(three, 4_900n)).toBe('approved');
    await sum(createProgramUsageSummer({ workerKnex, clock }));
    expect(await buy(one, 1n)).toBe('program_limit_exceeded');
  });

  test('count what clears, not what was held for it', async () => {
    const world = await worldOf({
      accounts: 2,
      policy: { program_limits: { day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' } },
    });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    const summer = createProgramUsageSummer({ workerKnex, clock });
    const first = purchase(one, 9_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    await happen(first, 'clearing', { amount: 6_000n });
    await sum(summer);
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 4_000n)).toBe('approved');
  });

  const CAP = { program_limits: { day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' } };

  async function pairUnder(policy: Partial<ProgramPolicy>, card: SpendControls = {}) {
    const world = await worldOf({ accounts: 2, policy, card });
    return world.accounts as [WorldAccount, WorldAccount];
  }

  const more = (request: AuthorizationRequest, name: string, amount: bigint): AuthorizationRequest => ({
    ...request,
    messageId: `${request.messageId}-${name}`,
    contentHash: name,
    amount,
    amountBasis: 'delta',
    ...inTime(),
  });
  const inTime = () => ({ occurredAt: clock.now(), respondBy: new Date(clock.now().getTime() + 60_000) });

  /** As if it had been made a day before. */
  async function yesterday({ processorAuthorizationId }: AuthorizationRequest): Promise<void> {
    const { rowCount } = await superuser.query(
      "UPDATE authorizations SET created_at = created_at - interval '1 day' WHERE processor_authorization_id = $1",
      [processorAuthorizationId],
    );
    expect(rowCount).toBe(1);
  }

  test('see what is asked for on top of an older purchase at once', async () => {
    const [one, two] = await pairUnder(CAP);
    const summer = createProgramUsageSummer({ workerKnex, clock });
    const first = purchase(one, 100n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    ahead = 40_000;
    await sum(summer);
    expect(await told(authorizer.authorize(more(first, 'a', 9_000n)))).toBe('approved');
    ahead = 41_000;
    await sum(summer);
    expect(await buy(two, 901n, inTime())).toBe('program_limit_exceeded');
    expect(await buy(two, 900n, inTime())).toBe('approved');
  });

  test('count what comes on top in the windows open then, and give back what was counted last', async () => {
    const [one, two] = await pairUnder(CAP);
    const anew = () => sum(createProgramUsageSummer({ workerKnex, clock }));
    const first = purchase(one, 3_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    await yesterday(first);
    await anew();
    expect(await told(authorizer.authorize(more(first, 'a', 9_000n)))).toBe('approved');
    await anew();
    expect(await told(authorizer.authorize(more(first, 'b', 9_000n)))).toBe('program_limit_exceeded');
    expect(await buy(two, 1_001n)).toBe('program_limit_exceeded');
    await happen(first, 'reversal', { amount: 4_000n });
    await anew();
    expect(await buy(two, 5_001n)).toBe('program_limit_exceeded');
    // What is given back of yesterday's part makes no room today.
    await happen(first, 'reversal', { amount: 6_000n });
    await anew();
    expect(await buy(two, 10_001n)).toBe('program_limit_exceeded');
    expect(await told(authorizer.authorize(more(first, 'c', 2_000n)))).toBe('approved');
    await anew();
    expect(await buy(two, 8_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 8_000n)).toBe('approved');
  });

  test('count what was told on top', async () => {
    const [one, two] = await pairUnder(CAP);
    const first = purchase(one, 1_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    await yesterday(first);
    await happen(first, 'authorization_advice', { amount: 7_000n });
    await sum(createProgramUsageSummer({ workerKnex, clock }));
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 4_000n)).toBe('approved');
  });

  test('count a purchase that ended and was opened again as one of today', async () => {
    const [one, two] = await pairUnder({
      program_limits: { day_count: 1, day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' },
    });
    const first = purchase(one, 1_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    await yesterday(first);
    await happen(first, 'reversal');
    await happen(first, 'authorization_advice', { amount: 500n });
    await sum(createProgramUsageSummer({ workerKnex, clock }));
    expect(await buy(two, 1n)).toBe('program_limit_exceeded');
  });

  test('count a clearing that no authorization went before', async () => {
    const [one, two] = await pairUnder(CAP);
    await happen(purchase(one, 9_000n), 'clearing', { amount: 9_000n });
    await sum(createProgramUsageSummer({ workerKnex, clock }));
    expect(await buy(two, 1_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 1_000n)).toBe('approved');
  });

  test('count what was declined and cleared all the same, once', async () => {
    const [one, two] = await pairUnder({
      program_limits: { week_amount: '10000', week_count: 2, headroom_bps: 0, time_zone: 'Etc/UTC' },
    });
    const first = purchase(one, 10_001n);
    expect(await told(authorizer.authorize(first))).toBe('program_limit_exceeded');
    await happen(first, 'clearing', { amount: 6_000n, messageId: `${first.messageId}-1` });
    await happen(first, 'clearing', { amount: 3_000n, messageId: `${first.messageId}-2` });
    await sum(createProgramUsageSummer({ workerKnex, clock }));
    expect(await buy(two, 1_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 500n)).toBe('approved');
    await sum(createProgramUsageSummer({ workerKnex, clock }));
    expect(await buy(two, 1n)).toBe('program_limit_exceeded');
  });

  test('count what clears after the end when it clears, and not once more when the purchase is opened again', async () => {
    const [one, two] = await pairUnder(CAP);
    const first = purchase(one, 5_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    await yesterday(first);
    await happen(first, 'expiry');
    const anew = () => sum(createProgramUsageSummer({ workerKnex, clock }));
    await anew();
    expect(await buy(two, 10_001n)).toBe('program_limit_exceeded');
    await happen(first, 'clearing', { amount: 4_000n });
    await anew();
    expect(await buy(two, 6_001n)).toBe('program_limit_exceeded');
    await happen(first, 'authorization_advice', { amount: 5_000n });
    await anew();
    expect(await buy(two, 5_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 5_000n)).toBe('approved');
  });

  test('count what clears above a hold when it clears, at once, and the rest when it was asked for', async () => {
    const world = await worldOf({ accounts: 2, policy: CAP });
    const [one] = world.accounts as [WorldAccount];
    const first = purchase(one, 3_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    expect(await told(authorizer.authorize(more(first, 'a', 1_000n)))).toBe('approved');
    await yesterday(first);
    await superuser.query(
      "UPDATE authorization_amendments SET created_at = created_at - interval '1 day' WHERE account_id = $1",
      [one.accountId],
    );
    const day = async (summer: ProgramUsageSummer) => {
      await sum(summer);
      return (await usageOf(world)).day.slice(1, 3);
    };
    const summer = createProgramUsageSummer({ workerKnex, clock });
    expect(await day(summer)).toEqual(['0', 0]);
    await happen(first, 'clearing', { amount: 4_500n, messageId: `${first.messageId}-1` });
    expect(await day(summer)).toEqual(['500', 0]);
    // All of it was cleared by now, so that this one has no hold; it is the same purchase.
    await happen(first, 'clearing', { amount: 700n, messageId: `${first.messageId}-2` });
    expect(await day(summer)).toEqual(['1200', 0]);
    expect(await day(createProgramUsageSummer({ workerKnex, clock }))).toEqual(['1200', 0]);
  });

  test('at midnight a day begins at nothing, whatever was asked on top just before', async () => {
    const world = await worldOf({ accounts: 2, policy: CAP });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    const first = purchase(one, 100n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    expect(await told(authorizer.authorize(more(first, 'a', 3_000n)))).toBe('approved');
    expect(await buy(two, 50n)).toBe('approved');
    const midnight = new Date(Date.now() + 86_400_000);
    midnight.setUTCHours(0, 0, 0, 0);
    const granted = new Date(midnight.getTime() - 5_000);
    const hex = granted.getTime().toString(16).padStart(12, '0');
    await superuser.query(
      'UPDATE authorization_amendments SET created_at = $1, id = ($2 || substr(id::text, 14))::uuid WHERE account_id = $3',
      [granted, `${hex.slice(0, 8)}-${hex.slice(8)}`, one.accountId],
    );
    await superuser.query('UPDATE authorizations SET created_at = $1 WHERE account_id = $2', [
      new Date(midnight.getTime() - 43_200_000),
      one.accountId,
    ]);
    let at = midnight.getTime();
    const summer = createProgramUsageSummer({ workerKnex, clock: { now: () => new Date(at) } });
    const days = new Set<string>();
    for (; at < midnight.getTime() + 40_000; at += 4_000) {
      await summer.run();
      const { rows } = await superuser.query('SELECT windows FROM program_usage WHERE program_id = $1', [
        world.programId,
      ]);
      days.add(String(rows[0].windows.day[1]));
    }
    expect([...days]).toEqual(['0']);
  });

  test('what is asked on top of an advice of yesterday is no purchase of today, and given back like any other', async () => {
    const policy = {
      program_limits: { day_count: 1, day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' },
    };
    const world = await worldOf({ accounts: 2, policy });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    const first = purchase(one, 5_000n);
    await happen(first, 'authorization_advice', { amount: 5_000n });
    await yesterday(first);
    expect(await told(authorizer.authorize(more(first, 'a', 1_000n)))).toBe('approved');
    const day = async () => {
      await sum(createProgramUsageSummer({ workerKnex, clock }));
      const { rows } = await superuser.query('SELECT windows FROM program_usage WHERE program_id = $1', [
        world.programId,
      ]);
      return rows[0].windows.day.slice(1, 3);
    };
    expect(await day()).toEqual(['1000', 0]);
    await happen(first, 'reversal', { amount: 1_000n, effectiveAt: clock.now() });
    expect(await day()).toEqual(['0', 0]);
    expect(await buy(two, 100n)).toBe('approved');
  });

  test('hold from the first purchase on where nobody has summed yet', async () => {
    const world = await worldOf({ accounts: 3, policy: CAP });
    const [one, two, three] = world.accounts as [WorldAccount, WorldAccount, WorldAccount];
    authorizer = newAuthorizer();
    expect(await buy(one, 6_000n)).toBe('approved');
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 4_000n)).toBe('approved');
    expect(await buy(three, 1n)).toBe('program_limit_exceeded');
  });

  test('hold for purchases that are decided at the same moment', async () => {
    const policy = { program_limits: { day_count: 3, day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' } };
    const world = await worldOf({ accounts: 8, policy });
    authorizer = newAuthorizer();
    const answers = await Promise.all(world.accounts.map((account) => buy(account, 1_000n)));
    expect(answers.filter((answer) => answer === 'approved')).toHaveLength(3);
  });

  test('count what a program has spent before it had a cap, or a cap of that window', async () => {
    const world = await worldOf({ accounts: 2 });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    const summer = createProgramUsageSummer({ workerKnex, clock });
    expect(await buy(one, 6_000n)).toBe('approved');
    await cap(world, { day_amount: '10000' });
    await quoted(world, two, 4_001n, 'program_limit_exceeded');
    await quoted(world, two, 4_000n, null);
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    await sum(summer);
    await cap(world, { day_amount: '1000000', week_amount: '9000' });
    expect(await buy(two, 3_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 3_000n)).toBe('approved');
    expect((await usageOf(world)).kinds).toEqual(['day', 'week']);
  });

  test('are held by what is asked on top when nobody has summed since there is a cap', async () => {
    const world = await worldOf({ accounts: 2 });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    const first = purchase(one, 1_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    expect(await buy(two, 5_000n)).toBe('approved');
    await cap(world, { day_amount: '10000' });
    expect(await told(authorizer.authorize(more(first, 'a', 4_001n)))).toBe('program_limit_exceeded');
    expect(await told(authorizer.authorize(more(first, 'b', 4_000n)))).toBe('approved');
    // What was approved on top counts for who asks next, summed or not.
    expect(await buy(two, 1n)).toBe('program_limit_exceeded');
  });

  test('of two processes both see what was spent before either has asked', async () => {
    const world = await worldOf({ accounts: 2 });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    expect(await buy(one, 6_000n)).toBe('approved');
    await cap(world, { day_amount: '10000' });
    const others = [newAuthorizer(), newAuthorizer()];
    const answers = await Promise.all(
      others.map((each, index) => told(each.authorize(purchase(index === 0 ? one : two, 4_001n)))),
    );
    expect(answers).toEqual(['program_limit_exceeded', 'program_limit_exceeded']);
  });

  test('what is taken back makes room with the next sum', async () => {
    const [one, two] = await pairUnder(CAP);
    authorizer = newAuthorizer();
    const first = purchase(one, 10_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    expect(await buy(two, 1n)).toBe('program_limit_exceeded');
    await happen(first, 'reversal');
    await new Promise((resolve) => setTimeout(resolve, 60));
    await createProgramUsageSummer({ workerKnex, clock }).run();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await buy(two, 10_000n)).toBe('approved');
  });

  test('forget nothing that an older sum, put in the place of a newer one by a slower worker, does not have', async () => {
    const world = await worldOf({ accounts: 2, policy: CAP });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    authorizer = newAuthorizer();
    const summer = createProgramUsageSummer({ workerKnex, clock });
    await summer.run();
    const older = await usageOf(world);
    expect(await buy(one, 6_000n)).toBe('approved');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await summer.run();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    await superuser.query('UPDATE program_usage SET windows = $1 WHERE program_id = $2', [older, world.programId]);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
  });

  test('what no cap is asked about is answered where nothing can be summed', async () => {
    const world = await worldOf({ accounts: 1 });
    const [one] = world.accounts as [WorldAccount];
    const first = purchase(one, 1_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    expect(await told(authorizer.authorize(more(first, 'a', 100n)))).toBe('approved');
    await cap(world, { day_amount: '10000' });
    const failed: unknown[] = [];
    const query = pool.query.bind(pool) as (config: { text?: string; name?: string }) => Promise<unknown>;
    const failing = Object.assign(Object.create(pool), {
      query: (config: { text?: string }) =>
        config.text?.includes('WITH alone') ? Promise.reject(new Error('no sum')) : query(config),
    });
    authorizer = createTestAuthorizer(failing, {
      clock,
      amend: (request, known) =>
        amendAuthorization({ knex, clock, sealer: testSealer(), partner: null }, request, known),
      observer: {
        decided: () => undefined,
        batchRan: () => undefined,
        conflicting: () => undefined,
        failed: (error) => failed.push(error),
      },
    });
    expect(await buy(one, 100n)).toBe('internal_error');
    expect(failed).toHaveLength(1);
    expect(await buy(one, 100n, { kind: 'refund_authorization' })).toBe('approved');
    expect(await buy(one, 0n, { kind: 'zero_amount_verification' })).toBe('approved');
    expect(failed).toHaveLength(1);
    // What was answered is answered again, and a lower total needs no room; more does.
    expect(await told(authorizer.authorize(more(first, 'a', 100n)))).toBe('approved');
    expect(await told(authorizer.authorize({ ...more(first, 'b', 900n), amountBasis: 'total' }))).toBe('approved');
    expect(await told(authorizer.authorize(more(first, 'c', 1n)))).toBe('program_limit_exceeded');
  });

  test('count what is decided under a lock until it is committed, whenever somebody sums', async () => {
    const world = await worldOf({ accounts: 2, policy: CAP });
    const [one, two] = world.accounts as [WorldAccount, WorldAccount];
    const summer = createProgramUsageSummer({ workerKnex, clock });
    await sum(summer);
    let changes = 3;
    const query = pool.query.bind(pool) as (config: { text?: string; name?: string }) => Promise<unknown>;
    const changing = Object.assign(Object.create(pool), {
      async query(config: { name?: string }) {
        if (config.name === 'authorization-commit' && changes > 0) {
          changes -= 1;
          await superuser.query('UPDATE accounts SET version = version + 1 WHERE id = $1', [one.accountId]);
        }
        return query(config);
      },
      async connect() {
        const client = await pool.connect();
        const own = client.query.bind(client) as (config: unknown) => Promise<unknown>;
        return Object.assign(Object.create(client), {
          release: client.release.bind(client),
          async query(config: unknown) {
            if (config === 'COMMIT') await summer.run();
            if (config === 'COMMIT') await new Promise((resolve) => setTimeout(resolve, 5));
            return own(config);
          },
        });
      },
    });
    authorizer = createTestAuthorizer(changing, { clock });
    expect(await buy(one, 6_000n)).toBe('approved');
    expect(changes).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await buy(two, 4_001n)).toBe('program_limit_exceeded');
    authorizer = newAuthorizer();
  });

  test('count what is asked on top once, however often its answer is asked for', async () => {
    const [one, two] = await pairUnder(CAP);
    authorizer = newAuthorizer();
    const first = purchase(one, 1_000n);
    expect(await told(authorizer.authorize(first))).toBe('approved');
    const again = more(first, 'a', 3_000n);
    for (let asked = 0; asked < 3; asked += 1) expect(await told(authorizer.authorize(again))).toBe('approved');
    expect(await buy(two, 6_001n)).toBe('program_limit_exceeded');
    expect(await buy(two, 6_000n)).toBe('approved');
  });

  /** A new policy with these caps, which no worker knows of yet. */
  async function cap(world: SpendingWorld, caps: Partial<ProgramPolicy['program_limits']>): Promise<void> {
    const limits = { headroom_bps: 0, time_zone: 'Etc/UTC', ...caps };
    await superuser.query(
      `WITH next AS (UPDATE programs SET policy_version = policy_version + 1, version = version + 1 WHERE id = $1
         RETURNING organization_id, id, policy_version)
       INSERT INTO program_policies (organization_id, program_id, version, document)
       SELECT n.organization_id, n.id, n.policy_version, jsonb_set(q.document, '{program_limits}', $2::jsonb)
       FROM next n JOIN program_policies q ON q.program_id = n.id AND q.version = n.policy_version - 1`,
      [world.programId, JSON.stringify(limits)],
    );
  }

  async function quoted(
    world: SpendingWorld,
    card: WorldAccount,
    amount: bigint,
    reason: string | null,
  ): Promise<void> {
    const { organizationId } = world;
    const { accountId, cardId } = card;
    const quote = await inOrganization(knex, organizationId, (trx) =>
      quoteSpend(trx, { clock }, { organizationId, accountId, cardId, purchase: { ...SMALLEST_PURCHASE, amount } }),
    );
    if (!quote.ok) throw new Error('no quote');
    expect(quote.value.decision.reason).toBe(reason);
  }

  test('a program without caps is never summed', async () => {
    const { world, card } = await cardOf({});
    expect(await buy(card, 100n)).toBe('approved');
    await createProgramUsageSummer({ workerKnex, clock }).run();
    const { rows } = await superuser.query('SELECT 1 FROM program_usage WHERE program_id = $1', [world.programId]);
    expect(rows).toEqual([]);
  });
});

test('a limit for all time that is taken away and comes back knows of what was spent meanwhile', async () => {
  const forAllTime: SpendControls = { limits: { all_time_amount: '1000', all_time_count: 5 } };
  const { world, card } = await cardOf({ card: forAllTime });
  const set = (controls: SpendControls) =>
    inOrganization(knex, world.organizationId, (trx) =>
      updateCardControls(
        trx,
        {},
        { organizationId: world.organizationId, cardId: card.cardId, controls, pending: null },
      ),
    );
  expect(await buy(card, 400n)).toBe('approved');
  await set({});
  expect(await buy(card, 500n)).toBe('approved');
  await set(forAllTime);
  expect(await buy(card, 101n)).toBe('amount_limit_exceeded');
  expect(await buy(card, 100n)).toBe('approved');
});

test('a limit names itself in what is stored of the decision', async () => {
  const { world, card } = await cardOf({ card: { limits: { day_amount: '500' } } });
  const { authorizationId } = await authorizer.authorize(purchase(card, 501n));
  const row = await inOrganization(knex, world.organizationId, (trx) =>
    findAuthorization(trx, world.organizationId, authorizationId ?? ''),
  );
  expect(row?.receipt).toContain('limits.day_amount');
});
