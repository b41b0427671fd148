import fc from 'fast-check';
import type { DeclineReason } from '../../../services/authorizations/rules/decline-reason';
import {
  type ControlledSpend,
  controlsInForce,
  refuseByControls,
  rememberedFor,
  type SpendRoom,
  spendRoom,
} from '../../../services/cards/rules/evaluate-controls';
import type { FleetData } from '../../../services/cards/rules/fleet-data';
import {
  countAuthorization,
  countersNow,
  countersToStored,
  countPurchase,
  giveBack,
  type LimitCounters,
} from '../../../services/cards/rules/limit-counters';
import { WINDOW_KINDS } from '../../../services/cards/rules/limit-windows';
import type { SpendControls, VelocityRule } from '../../../services/cards/rules/spend-controls';
import {
  DEFAULT_PROGRAM_POLICY,
  merchantGroup,
  type ProgramLimits,
  type ProgramPolicy,
} from '../../../services/programs/rules/program-policy';
import { NOW, requestOf } from '../../builders/snapshots';

const POLICY: ProgramPolicy = { ...DEFAULT_PROGRAM_POLICY, limits: {} };
const UTC = 'Etc/UTC';
const EMPTY = countersNow(null, NOW, UTC);
const NO_PROMPTS: FleetData = { driverId: null, vehicleId: null, odometer: null, fuelVolumeMl: null, fuelType: null };

interface Given {
  readonly policy?: ProgramPolicy;
  readonly account?: SpendControls;
  readonly card?: SpendControls;
  readonly spend?: Partial<ControlledSpend>;
  readonly now?: Date;
  readonly timeZone?: string;
  readonly cardCounters?: LimitCounters;
  readonly accountCounters?: LimitCounters;
  /** The channel of the purchase that it comes on top of. */
  readonly onTopOf?: string;
}

function inForce({ policy = POLICY, account = {}, card = {}, now = NOW }: Given) {
  return controlsInForce(policy, { controls: account, pending: null }, { controls: card, pending: null }, now);
}

function refusal(given: Given) {
  return refuseByControls({
    controls: inForce(given),
    spend: requestOf(1_000n, given.spend as never),
    now: given.now ?? NOW,
    timeZone: given.timeZone ?? UTC,
    cardCounters: given.cardCounters ?? EMPTY,
    onTopOf: given.onTopOf === undefined ? null : { channel: given.onTopOf },
  });
}

function roomOf(
  given: Given,
  amount = 1_000n,
  more: {
    readonly approvedBefore?: bigint;
    readonly caps?: ProgramLimits;
    readonly usage?: LimitCounters | null;
    readonly usageAgeMs?: number;
  } = {},
): SpendRoom {
  const now = given.now ?? NOW;
  return spendRoom({
    controls: inForce(given),
    programLimits: more.caps,
    spend: { ...requestOf(amount), ...given.spend },
    now,
    accountCounters: given.accountCounters ?? EMPTY,
    cardCounters: given.cardCounters ?? EMPTY,
    programUsage: more.usage ? { ...countersToStored(more.usage), at: now.getTime() - (more.usageAgeMs ?? 0) } : null,
    approvedBefore: more.approvedBefore ?? null,
  });
}

describe('merchant groups', () => {
  test.each([
    ['2999', null],
    ['3000', 'travel'],
    ['3350', 'travel'],
    ['3351', 'car_rental'],
    ['3500', 'car_rental'],
    ['3501', 'hotels'],
    ['3999', 'hotels'],
    ['4000', null],
    ['5542', 'automated_fuel'],
    ['5812', 'restaurants'],
    ['7995', 'gambling'],
  ])('category %s is of group %s', (mcc, group) => {
    expect(merchantGroup(mcc)).toBe(group);
  });
});

describe('where and how a card is used', () => {
  const fuel = { mcc: '5541' };
  /** What is allowed, then what differs from it in the one thing that the control looks at. */
  const cases: [string, SpendControls, Partial<ControlledSpend>, Partial<ControlledSpend>, DeclineReason][] = [
    ['foreign_currency', { foreign_currency: false }, {}, { merchantCurrency: 'EUR' }, 'foreign_currency_blocked'],
    [
      'allowed_merchant_countries',
      { allowed_merchant_countries: ['DEU'] },
      {},
      { merchantCountry: 'FRA' },
      'country_blocked',
    ],
    [
      'blocked_merchant_countries',
      { blocked_merchant_countries: ['FRA'] },
      {},
      { merchantCountry: 'FRA' },
      'country_blocked',
    ],
    ['allowed_merchant_groups', { allowed_merchant_groups: ['fuel'] }, fuel, { mcc: '5812' }, 'mcc_blocked'],
    ['allowed_merchant_groups', { allowed_merchant_groups: ['fuel'] }, fuel, { mcc: '5411' }, 'mcc_blocked'],
    [
      'blocked_merchant_groups',
      { blocked_merchant_groups: ['hotels'] },
      { mcc: '3500' },
      { mcc: '3501' },
      'mcc_blocked',
    ],
    ['allowed_mccs', { allowed_mccs: ['5411', '5811-5814'] }, { mcc: '5811' }, { mcc: '5810' }, 'mcc_blocked'],
    ['allowed_mccs', { allowed_mccs: ['5411', '5811-5814'] }, { mcc: '5814' }, { mcc: '5815' }, 'mcc_blocked'],
    ['blocked_mccs', { blocked_mccs: ['5411'] }, { mcc: '5412' }, { mcc: '5411' }, 'mcc_blocked'],
    ['blocked_mccs', { blocked_mccs: ['5811-5814'] }, { mcc: '5815' }, { mcc: '5814' }, 'mcc_blocked'],
    ['allowed_merchants', { allowed_merchants: ['merchant'] }, {}, { merchantId: 'other' }, 'merchant_blocked'],
    ['blocked_merchants', { blocked_merchants: ['other'] }, {}, { merchantId: 'other' }, 'merchant_blocked'],
    ['allowed_channels', { allowed_channels: ['chip'] }, {}, { channel: 'ecommerce' }, 'channel_blocked'],
    ['allowed_channels', { allowed_channels: ['chip'] }, {}, { channel: 'unknown' }, 'channel_blocked'],
    ['blocked_channels', { blocked_channels: ['atm'] }, {}, { channel: 'atm' }, 'channel_blocked'],
    ['cash_withdrawals', { cash_withdrawals: false }, {}, { kind: 'cash_withdrawal' }, 'channel_blocked'],
    ['cash_withdrawals', { cash_withdrawals: false }, { cashAmount: 0n }, { cashAmount: 1n }, 'channel_blocked'],
    ['fleet.fuel_only', { fleet: { fuel_only: true } }, { mcc: '5542' }, { mcc: '5411' }, 'mcc_blocked'],
    [
      'fleet.allowed_stations',
      { fleet: { allowed_stations: ['merchant'] } },
      { ...fuel, merchantId: 'merchant' },
      { ...fuel, merchantId: 'other' },
      'merchant_blocked',
    ],
  ];

  test.each(cases)('%s: %j', (control, controls, allowed, refused, reason) => {
    expect(refusal({ card: controls, spend: allowed })).toBeNull();
    expect(refusal({ card: controls, spend: refused })).toMatchObject({ reason, level: 'card', control });
    expect(refusal({ account: controls, spend: refused })).toMatchObject({ reason, level: 'account', control });
    const policy = { ...POLICY, controls };
    expect(refusal({ policy, spend: refused })).toMatchObject({
      reason,
      level: 'program',
      control: `controls.${control}`,
    });
    // Money that comes back is taken from wherever it comes.
    expect(refusal({ card: controls, spend: { ...refused, kind: 'refund_authorization' } })).toBeNull();
  });

  test('every level applies: a card cannot allow what its account or its program blocks', () => {
    const gambling = { mcc: '7995' };
    const allow: SpendControls = { allowed_merchant_groups: ['gambling'] };
    expect(refusal({ card: allow, spend: gambling })).toMatchObject({
      level: 'program',
      control: 'blocked_merchant_groups',
    });
    const open = { ...POLICY, blocked_merchant_groups: [] };
    expect(refusal({ policy: open, card: allow, spend: gambling })).toBeNull();
    const account: SpendControls = { blocked_mccs: ['7800-7999'] };
    expect(refusal({ policy: open, account, card: allow, spend: gambling })).toMatchObject({ level: 'account' });
  });

  test('the reason that stands first in the order of reasons is named, whichever level refuses', () => {
    const spend = { merchantCountry: 'FRA', mcc: '5812', channel: 'atm' };
    const given = {
      account: { blocked_channels: ['atm'] as const, blocked_mccs: ['5812'] },
      card: { blocked_merchant_countries: ['FRA'] },
      spend,
    };
    expect(refusal(given)).toMatchObject({ reason: 'country_blocked', level: 'card' });
  });
});

describe('a question that leaves something open', () => {
  test.each<[NonNullable<ControlledSpend['unsaid']>[number], SpendControls]>([
    ['mcc', { allowed_mccs: ['5812'], allowed_merchant_groups: ['hotels'], fleet: { fuel_only: true } }],
    ['merchant', { allowed_merchants: ['M-9'], merchant_lock: 'first_use' }],
    ['country', { allowed_merchant_countries: ['FRA'] }],
    ['channel', { allowed_channels: ['atm'] }],
  ])('is not refused by what looks at its %s, and a network that leaves it open is', (fact, card) => {
    expect(refusal({ card })).not.toBeNull();
    expect(refusal({ card, spend: { unsaid: [fact] } })).toBeNull();
    expect(refusal({ card, spend: { unsaid: ['fleet'] } })).not.toBeNull();
  });

  test('is still refused by what it does say', () => {
    const card: SpendControls = { blocked_channels: ['chip'] };
    expect(refusal({ card, spend: { unsaid: ['mcc', 'merchant', 'country', 'fleet'] } })).not.toBeNull();
  });
});

describe('when a card is used', () => {
  const at = (iso: string) => ({ now: new Date(iso) });

  test('valid_from is inclusive, valid_until is not', () => {
    const card = { valid_from: '2026-11-01T00:00:00Z', valid_until: '2026-12-01T00:00:00+01:00' };
    expect(refusal({ card, ...at('2026-10-31T23:59:59.999Z') })).toMatchObject({
      reason: 'outside_validity',
      control: 'valid_from',
    });
    expect(refusal({ card, ...at('2026-11-01T00:00:00Z') })).toBeNull();
    expect(refusal({ card, ...at('2026-11-30T22:59:59.999Z') })).toBeNull();
    expect(refusal({ card, ...at('2026-11-30T23:00:00Z') })).toMatchObject({
      reason: 'outside_validity',
      control: 'valid_until',
    });
  });

  const work: SpendControls = { hours: [{ days: [1, 2, 3, 4, 5], from: '08:00', to: '18:00' }] };
  // Friday night into Saturday, and all of Sunday.
  const nights: SpendControls = {
    hours: [
      { days: [5], from: '22:00', to: '06:00' },
      { days: [7], from: '00:00', to: '24:00' },
    ],
  };

  test.each([
    ['before the span', work, '2026-11-20T06:59:59.999Z', false],
    ['as it begins', work, '2026-11-20T07:00:00Z', true],
    ['as it ends', work, '2026-11-20T17:00:00Z', false],
    ['in its last millisecond', work, '2026-11-20T16:59:59.999Z', true],
    ['on a day that is not named', work, '2026-11-21T12:00:00Z', false],
    ['before midnight', nights, '2026-11-20T22:00:00Z', true],
    ['after midnight, on the day that is not named', nights, '2026-11-21T04:59:59.999Z', true],
    ['when the night is over', nights, '2026-11-21T05:00:00Z', false],
    ['the evening after, which begins no night', nights, '2026-11-21T22:00:00Z', false],
    ['on Sunday at midnight', nights, '2026-11-21T23:00:00Z', true],
    ['in Sunday’s last millisecond', nights, '2026-11-22T22:59:59.999Z', true],
    ['on Monday at midnight', nights, '2026-11-22T23:00:00Z', false],
  ])('in Berlin, %s', (_, card, now, allowed) => {
    const refused = refusal({ card, timeZone: 'Europe/Berlin', ...at(now) });
    expect(refused === null).toBe(allowed);
    if (refused) expect(refused.reason).toBe('hours_blocked');
  });

  test('the day clocks spring forward ends an hour early by UTC, the day they fall back an hour late', () => {
    const card: SpendControls = { hours: [{ days: [7], from: '00:00', to: '24:00' }] };
    const inBerlin = (iso: string) => refusal({ card, timeZone: 'Europe/Berlin', ...at(iso) });
    // 29 March 2026 has 23 hours, 25 October has 25.
    expect(inBerlin('2026-03-28T23:00:00Z')).toBeNull();
    expect(inBerlin('2026-03-29T21:59:59Z')).toBeNull();
    expect(inBerlin('2026-03-29T22:00:00Z')).not.toBeNull();
    expect(inBerlin('2026-10-24T22:00:00Z')).toBeNull();
    expect(inBerlin('2026-10-25T22:59:59Z')).toBeNull();
    expect(inBerlin('2026-10-25T23:00:00Z')).not.toBeNull();
  });

  test('an hour that the clocks leave out never comes, one that they show twice comes twice', () => {
    const card: SpendControls = { hours: [{ days: [7], from: '02:00', to: '03:00' }] };
    const inBerlin = (iso: string) => refusal({ card, timeZone: 'Europe/Berlin', ...at(iso) }) === null;
    const everyMinute = (from: string, minutes: number) =>
      Array.from({ length: minutes }, (_, index) => new Date(Date.parse(from) + index * 60_000).toISOString());
    expect(everyMinute('2026-03-28T23:00:00Z', 23 * 60).filter(inBerlin)).toHaveLength(0);
    expect(everyMinute('2026-10-24T22:00:00Z', 25 * 60).filter(inBerlin)).toHaveLength(120);
  });

  test('what waits takes the place of the rest once its time has come', () => {
    const pending = { controls: {}, effective_at: '2026-11-22T00:00:00.000Z' };
    const stored = { controls: { blocked_channels: ['chip'] as const }, pending };
    const refusedAt = (now: Date) =>
      refuseByControls({
        controls: controlsInForce(POLICY, { controls: {}, pending: null }, stored, now),
        spend: requestOf(1_000n),
        now,
        timeZone: UTC,
        cardCounters: EMPTY,
        onTopOf: null,
      });
    expect(refusedAt(new Date('2026-11-21T23:59:59.999Z'))).toMatchObject({ reason: 'channel_blocked' });
    expect(refusedAt(new Date('2026-11-22T00:00:00.000Z'))).toBeNull();
  });
});

describe('more of a purchase that was let in', () => {
  const onTop = (card: SpendControls, spend: Given['spend'] = {}, more: Partial<Given> = {}) =>
    refusal({ card, spend, onTopOf: 'chip', ...more })?.reason ?? null;
  const byTheMerchant = { channel: 'ecommerce' } as const;
  const fuel = {
    mcc: '5542',
    fleet: { driverId: null, vehicleId: null, odometer: 5n, fuelVolumeMl: null, fuelType: null },
  };

  test.each<[string, SpendControls, Given['spend'], string | null]>([
    ['the merchant, always', { blocked_merchants: ['merchant'] }, byTheMerchant, 'merchant_blocked'],
    ['the category, always', { blocked_mccs: ['5411'] }, byTheMerchant, 'mcc_blocked'],
    ['the country, always', { blocked_merchant_countries: ['DEU'] }, byTheMerchant, 'country_blocked'],
    ['the currency, always', { foreign_currency: false }, { merchantCurrency: 'EUR' }, 'foreign_currency_blocked'],
    ['whether the card is valid, always', { valid_until: '2020-01-01T00:00:00Z' }, byTheMerchant, 'outside_validity'],
    ['cash, always', { cash_withdrawals: false }, { cashAmount: 1n }, 'channel_blocked'],
    ['hours where the card is presented', { hours: [] }, { channel: 'contactless' }, 'hours_blocked'],
    ['hours not where the merchant asks', { hours: [] }, byTheMerchant, null],
    ['hours where cash is handed out', { hours: [] }, { channel: 'manual', cashAmount: 1n }, 'hours_blocked'],
    ['the channel where the card is presented', { allowed_channels: ['chip'] }, { channel: 'atm' }, 'channel_blocked'],
    ['the purchase\u2019s channel where the merchant asks', { allowed_channels: ['chip'] }, byTheMerchant, null],
    ['and it may be blocked since', { blocked_channels: ['chip'] }, byTheMerchant, 'channel_blocked'],
    [
      'a driver that is sent',
      { fleet: { allowed_driver_ids: ['1'] } },
      { ...fuel, fleet: { ...fuel.fleet, driverId: '2' } },
      'driver_id_invalid',
    ],
    ['not one that is not', { fleet: { driver_id_required: true } }, fuel, null],
  ])('%s', (_, card, spend, reason) => {
    expect(onTop(card, spend)).toBe(reason);
  });

  test('single use and the odometer would stand in the purchase\u2019s own way', () => {
    const cardCounters = countPurchase(EMPTY, { at: NOW, countedAt: NOW, mcc: '5542', merchantId: 'merchant' }, 1n, {
      velocity: null,
      merchantLock: true,
      odometer: 5n,
    });
    const controls: SpendControls = {
      single_use: true,
      merchant_lock: 'first_use',
      fleet: { odometer_required: true },
    };
    expect(refusal({ card: controls, spend: fuel, cardCounters })?.reason).toBe('single_use_spent');
    expect(onTop(controls, fuel, { cardCounters })).toBeNull();
    expect(onTop(controls, { ...fuel, merchantId: 'other' }, { cardCounters })).toBe('merchant_blocked');
  });
});

describe('single use and merchant lock', () => {
  const purchase = { at: NOW, mcc: '5411', merchantId: 'first' };

  test('a card for one purchase is spent by it, and free again when it is taken back as a whole', () => {
    const card: SpendControls = { single_use: true };
    const used = countAuthorization(EMPTY, 500n);
    expect(refusal({ card })).toBeNull();
    expect(refusal({ card, cardCounters: used })).toMatchObject({ reason: 'single_use_spent' });
    const partly = giveBack(used, purchase, { amount: 200n, counted: 500n, wholly: false });
    expect(refusal({ card, cardCounters: partly })).toMatchObject({ reason: 'single_use_spent' });
    const wholly = giveBack(used, purchase, { amount: 500n, counted: 500n, wholly: true });
    expect(refusal({ card, cardCounters: wholly })).toBeNull();
  });

  test('a lock is closed by the first purchase and lets its merchant in', () => {
    const card: SpendControls = { merchant_lock: 'first_use' };
    const remembered = rememberedFor('card', inForce({ card }), requestOf(1n, { merchantId: 'first' }));
    const locked = countPurchase(EMPTY, purchase, 500n, remembered);
    expect(refusal({ card, spend: { merchantId: 'second' } })).toBeNull();
    expect(refusal({ card, cardCounters: locked, spend: { merchantId: 'first' } })).toBeNull();
    expect(refusal({ card, cardCounters: locked, spend: { merchantId: 'second' } })).toMatchObject({
      reason: 'merchant_blocked',
      control: 'merchant_lock',
    });
    expect(refusal({ cardCounters: locked, spend: { merchantId: 'second' } })).toBeNull();
  });
});

describe('fuel cards', () => {
  const pump = { mcc: '5542' };
  const sent = (data: Partial<FleetData>) => ({ ...pump, fleet: { ...NO_PROMPTS, ...data } });

  test.each<[string, SpendControls['fleet'], Partial<FleetData>]>([
    ['driver', { driver_id_required: true }, { driverId: '0042' }],
    ['vehicle', { vehicle_id_required: true }, { vehicleId: '7' }],
    ['odometer', { odometer_required: true }, { odometer: 1_000n }],
  ])('what is required of the %s must be sent', (_, fleet, data) => {
    const card = { fleet: fleet ?? {} };
    expect(refusal({ card, spend: sent(data) })).toBeNull();
    expect(refusal({ card, spend: sent({}) })).toMatchObject({ reason: 'fleet_data_required' });
    expect(refusal({ card, spend: { ...pump, fleet: null } })).toMatchObject({ reason: 'fleet_data_required' });
    // Not at a shop, and not where nothing is bought.
    expect(refusal({ card, spend: { mcc: '5411', fleet: null } })).toBeNull();
    expect(refusal({ card, spend: { ...pump, fleet: null, amount: 0n } })).toBeNull();
  });

  test('drivers and vehicles are compared without the leading zeros that networks add and strip', () => {
    const card = { fleet: { allowed_driver_ids: ['0042', '0'], allowed_vehicle_ids: ['7'] } };
    expect(refusal({ card, spend: sent({ driverId: '42', vehicleId: '0007' }) })).toBeNull();
    expect(refusal({ card, spend: sent({ driverId: '000', vehicleId: '7' }) })).toBeNull();
    expect(refusal({ card, spend: sent({ driverId: '420', vehicleId: '7' }) })).toMatchObject({
      reason: 'driver_id_invalid',
      control: 'fleet.allowed_driver_ids',
    });
    expect(refusal({ card, spend: sent({ driverId: '42', vehicleId: '70' }) })).toMatchObject({
      reason: 'vehicle_id_invalid',
      control: 'fleet.allowed_vehicle_ids',
    });
    expect(refusal({ card, spend: sent({ driverId: '42' }) })).toMatchObject({
      reason: 'fleet_data_required',
      control: 'fleet.vehicle_id_required',
    });
  });

  test.each([
    ['the last reading', 50_000n, 0, false],
    ['one more', 50_001n, 0, true],
    ['what it can do in a day', 50_600n, 0, true],
    ['more than it can do in a day', 50_601n, 0, false],
    ['more than that a day later to the millisecond', 50_601n, 86_400_000, false],
    ['more than that into the second day', 50_601n, 86_400_001, true],
    ['two days’ worth', 51_200n, 86_400_001, true],
    ['more than two days’ worth', 51_201n, 86_400_001, false],
  ])('an odometer at %s', (_, odometer, laterMs, allowed) => {
    const card = { fleet: { odometer_max_per_day: 600 } };
    const remembered = rememberedFor('card', inForce({ card }), requestOf(1n, sent({ odometer: 50_000n })));
    const counters = countPurchase(EMPTY, { at: NOW, mcc: '5542', merchantId: 'm' }, 1n, remembered);
    const refused = refusal({
      card,
      cardCounters: counters,
      now: new Date(NOW.getTime() + laterMs),
      spend: sent({ odometer }),
    });
    expect(refused === null).toBe(allowed);
    if (refused) expect(refused).toMatchObject({ reason: 'fleet_data_required', control: 'fleet.odometer' });
  });

  test('volumes are bounded by what a fill and what the tank may take, kinds of fuel by their list', () => {
    const card = { fleet: { per_fill_volume_ml: 60_000, tank_ml: 55_000, allowed_fuel_types: ['DIESEL'] } };
    expect(refusal({ card, spend: sent({ fuelVolumeMl: 55_000n, fuelType: 'DIESEL' }) })).toBeNull();
    expect(refusal({ card, spend: sent({ fuelVolumeMl: 55_001n }) })).toMatchObject({ control: 'fleet.tank_ml' });
    expect(refusal({ card, spend: sent({ fuelVolumeMl: 60_001n }) })).toMatchObject({
      reason: 'fleet_limit_exceeded',
      control: 'fleet.per_fill_volume_ml',
    });
    expect(refusal({ card, spend: sent({ fuelType: 'PREMIUM' }) })).toMatchObject({
      control: 'fleet.allowed_fuel_types',
    });
    expect(refusal({ card, spend: sent({}) })).toBeNull();
  });

  test('the amount of a fill is a bound like any other, at fuel merchants only', () => {
    const card = { fleet: { per_fill_amount: '8000' } };
    expect(roomOf({ card, spend: pump }, 8_000n)).toMatchObject({ amount: 8_000n, refusal: null });
    expect(roomOf({ card, spend: pump }, 8_001n)).toMatchObject({ refusal: { reason: 'fleet_limit_exceeded' } });
    expect(roomOf({ card }, 8_001n)).toMatchObject({ amount: null, refusal: null });
  });
});

describe('room under limits', () => {
  test('without limits there is no bound', () => {
    expect(roomOf({})).toMatchObject({ amount: null, refusal: null });
  });

  test('the tightest window of all levels decides, and what is overspent leaves nothing rather than less', () => {
    const spent = countAuthorization(EMPTY, 6_000n);
    const given: Given = {
      policy: { ...POLICY, limits: { day_amount: '10000' } },
      account: { limits: { month_amount: '9000' } },
      card: { limits: { all_time_amount: '2500' } },
      accountCounters: spent,
    };
    expect(roomOf(given).amount).toBe(2_500n);
    expect(roomOf({ ...given, card: {} }).amount).toBe(3_000n);
    expect(roomOf({ ...given, card: {}, account: {} }).amount).toBe(4_000n);
    expect(roomOf({ account: { limits: { day_amount: '5000' } }, accountCounters: spent }).amount).toBe(0n);
  });

  test.each(WINDOW_KINDS)('amounts of a %s: at the limit, and a cent above it', (kind) => {
    const spent = countAuthorization(EMPTY, 400n);
    const given: Given = { card: { limits: { [`${kind}_amount`]: '1000' } }, cardCounters: spent };
    expect(roomOf(given, 600n).refusal).toBeNull();
    expect(roomOf(given, 601n).refusal).toEqual({
      reason: 'amount_limit_exceeded',
      level: 'card',
      control: `limits.${kind}_amount`,
      detail: expect.stringContaining('4.00 used, 6.01 asked for'),
    });
  });

  test.each(WINDOW_KINDS)('the count of a %s is allowed below its limit and refused at it', (kind) => {
    const twice = countAuthorization(countAuthorization(EMPTY, 1n), 1n);
    const given = (count: number): Given => ({
      account: { limits: { [`${kind}_count`]: count } },
      accountCounters: twice,
    });
    expect(roomOf(given(3)).refusal).toBeNull();
    expect(roomOf(given(2))).toMatchObject({
      amount: 0n,
      refusal: { reason: 'count_limit_exceeded', level: 'account', control: `limits.${kind}_count` },
    });
  });

  test('more of a purchase is not another one: counts let it through, its transaction is the whole of it', () => {
    const once = countAuthorization(EMPTY, 700n);
    const given: Given = { card: { limits: { per_transaction_amount: '1000', day_count: 1 } }, cardCounters: once };
    expect(roomOf(given, 1n)).toMatchObject({ refusal: { reason: 'count_limit_exceeded' } });
    expect(roomOf(given, 300n, { approvedBefore: 700n }).refusal).toBeNull();
    expect(roomOf(given, 301n, { approvedBefore: 700n })).toMatchObject({
      amount: 300n,
      refusal: { reason: 'amount_limit_exceeded' },
    });
  });
});

describe('caps of a whole program', () => {
  const caps: ProgramLimits = { day_amount: '100000', day_count: 10, headroom_bps: 1_000, time_zone: UTC };
  const spent = (amount: bigint, times = 1) =>
    Array.from({ length: times }).reduce<LimitCounters>(
      (counters) => countAuthorization(counters, amount / BigInt(times)),
      EMPTY,
    );

  test('amounts stop at the cap less its headroom', () => {
    const usage = spent(85_000n);
    expect(roomOf({}, 5_000n, { caps, usage })).toMatchObject({ amount: 5_000n, refusal: null });
    expect(roomOf({}, 5_001n, { caps, usage }).refusal).toMatchObject({
      reason: 'program_limit_exceeded',
      level: 'program',
      control: 'program_limits.day_amount',
    });
  });

  test('counts stop at the cap less its headroom', () => {
    expect(roomOf({}, 1n, { caps, usage: spent(80n, 8) }).refusal).toBeNull();
    expect(roomOf({}, 1n, { caps, usage: spent(90n, 9) }).refusal).toMatchObject({
      control: 'program_limits.day_count',
    });
  });

  test('what was summed over a minute ago is not relied on; before the first sum nothing is known to be spent', () => {
    const usage = spent(1n);
    expect(roomOf({}, 1n, { caps, usage, usageAgeMs: 60_000 }).refusal).toBeNull();
    expect(roomOf({}, 1n, { caps, usage, usageAgeMs: 60_001 }).refusal).toMatchObject({
      reason: 'program_limit_exceeded',
    });
    expect(roomOf({}, 90_000n, { caps, usage: null }).refusal).toBeNull();
    expect(roomOf({}, 90_001n, { caps, usage: null }).refusal).not.toBeNull();
  });
});

describe('velocity', () => {
  const rule = (changes: Partial<VelocityRule> = {}): VelocityRule => ({
    window_seconds: 60,
    max_count: 2,
    per: 'card',
    ...changes,
  });

  function counted(given: Given, purchases: readonly { ms: number; amount: bigint; mcc?: string }[]): LimitCounters {
    return purchases.reduce<LimitCounters>((counters, { ms, amount, mcc = '5411' }) => {
      const spend = requestOf(amount, { mcc });
      const at = new Date(NOW.getTime() + ms);
      return countPurchase(
        counters,
        { at, mcc, merchantId: 'm' },
        amount,
        rememberedFor('card', inForce(given), spend),
      );
    }, EMPTY);
  }

  const later = (ms: number) => ({ now: new Date(NOW.getTime() + ms) });

  test('a purchase counts until it is exactly as old as the window', () => {
    const card = { velocity: [rule()] };
    const cardCounters = counted({ card }, [
      { ms: 0, amount: 100n },
      { ms: 1_000, amount: 100n },
    ]);
    expect(roomOf({ card, cardCounters, ...later(59_999) })).toMatchObject({
      amount: 0n,
      refusal: { reason: 'velocity_exceeded', control: 'velocity[0]' },
    });
    expect(roomOf({ card, cardCounters, ...later(60_000) })).toMatchObject({ amount: null, refusal: null });
  });

  test('amounts within the window leave room to the cent', () => {
    const card = { velocity: [rule({ max_count: 9, max_amount: '1000' })] };
    const cardCounters = counted({ card }, [{ ms: 0, amount: 400n }]);
    expect(roomOf({ card, cardCounters, ...later(1) }, 600n)).toMatchObject({ amount: 600n, refusal: null });
    expect(roomOf({ card, cardCounters, ...later(1) }, 601n)).toMatchObject({
      refusal: { reason: 'velocity_exceeded' },
    });
    expect(roomOf({ card, cardCounters, ...later(60_000) }, 601n).refusal).toBeNull();
  });

  test('a rule for some merchants neither counts nor refuses others', () => {
    const card = { velocity: [rule({ max_count: 1, merchant_groups: ['restaurants'] })] };
    const shop = counted({ card }, [{ ms: 0, amount: 1n }]);
    expect(roomOf({ card, cardCounters: shop, spend: { mcc: '5812' } }).refusal).toBeNull();
    const restaurant = counted({ card }, [{ ms: 0, amount: 1n, mcc: '5812' }]);
    expect(roomOf({ card, cardCounters: restaurant, spend: { mcc: '5814' } }).refusal).not.toBeNull();
    expect(roomOf({ card, cardCounters: restaurant }).refusal).toBeNull();
  });

  test('rules of the account look at all of its cards', () => {
    const account = { velocity: [rule({ max_count: 1, per: 'account' })] };
    const spend = requestOf(1n);
    const remembered = rememberedFor('account', inForce({ account }), spend);
    const accountCounters = countPurchase(EMPTY, { at: NOW, mcc: '5411', merchantId: 'm' }, 1n, remembered);
    expect(rememberedFor('card', inForce({ account }), spend).velocity).toBeNull();
    expect(roomOf({ account, accountCounters }).refusal).toMatchObject({ level: 'account' });
  });

  test('every answer is that of a model which keeps all purchases, and no more is kept than the rules let through', () => {
    const rules = fc.array(
      fc.record({
        window_seconds: fc.integer({ min: 1, max: 20 }),
        max_count: fc.integer({ min: 1, max: 5 }),
        max_amount: fc.integer({ min: 1, max: 3_000 }),
        groups: fc.constantFrom(null, ['restaurants'] as const, ['fuel', 'hotels'] as const),
      }),
      { minLength: 1, maxLength: 3 },
    );
    const steps = fc.array(
      fc.record({
        // Often exactly on a threshold of a second.
        waitMs: fc.oneof(
          fc.integer({ min: 0, max: 3 }).map((seconds) => seconds * 1_000),
          fc.integer({ min: 0, max: 4_000 }),
        ),
        amount: fc.bigInt({ min: 1n, max: 1_500n }),
        mcc: fc.constantFrom('5411', '5812', '5541', '7011'),
        back: fc.option(fc.nat(), { nil: null, freq: 4 }),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(rules, steps, (drawn, walk) => {
        const velocity = drawn.map(({ window_seconds, max_count, max_amount, groups }) =>
          rule({
            window_seconds,
            max_count,
            max_amount: max_amount.toString(),
            ...(groups ? { merchant_groups: groups } : {}),
          }),
        );
        const card: SpendControls = { velocity };
        const model: { at: number; amount: bigint; mcc: string }[] = [];
        let counters = EMPTY;
        let ms = NOW.getTime();
        for (const { waitMs, amount, mcc, back } of walk) {
          ms += waitMs;
          const now = new Date(ms);
          counters = countersNow(countersToStored(counters), now, UTC);
          const allowed = velocity.every((each) => {
            const covers = (code: string) =>
              each.merchant_groups === undefined || each.merchant_groups.some((group) => group === merchantGroup(code));
            if (!covers(mcc)) return true;
            const within = model.filter((known) => covers(known.mcc) && ms - known.at < each.window_seconds * 1_000);
            const total = within.reduce((sum, known) => sum + known.amount, 0n);
            return within.length < each.max_count && total + amount <= BigInt(each.max_amount ?? '0');
          });
          expect(roomOf({ card, cardCounters: counters, spend: { mcc }, now }, amount).refusal === null).toBe(allowed);
          if (allowed) {
            const remembered = rememberedFor('card', inForce({ card, now }), requestOf(amount, { mcc }));
            counters = countPurchase(counters, { at: now, mcc, merchantId: 'm' }, amount, remembered);
            model.push({ at: ms, amount, mcc });
          }
          if (back !== null && model.length > 0) {
            const [taken] = model.splice(back % model.length, 1);
            if (taken) {
              counters = giveBack(
                counters,
                { at: new Date(taken.at), mcc: taken.mcc, merchantId: 'm' },
                { amount: taken.amount, counted: taken.amount, wholly: true },
              );
            }
          }
          expect(counters.recent.length).toBeLessThanOrEqual(velocity.reduce((sum, each) => sum + each.max_count, 0));
        }
      }),
      { numRuns: 300 },
    );
  });
});
