import fc from 'fast-check';
import { decideAuthorization, type SpendRequest } from '../../../services/authorizations/rules/decide-authorization';
import {
  isLooser,
  sameControls,
  splitControlsChange,
  tighterControls,
} from '../../../services/cards/rules/controls-change';
import type { StoredLimitCounters } from '../../../services/cards/rules/limit-counters';
import type { PendingControls, SpendControls } from '../../../services/cards/rules/spend-controls';
import { anyControls } from '../../builders/any-controls';
import { priceOf, requestOf, snapshotOf } from '../../builders/snapshots';

const NOW = new Date('2026-11-20T12:00:00Z');
const HOURS = 24;
const TOMORROW = '2026-11-21T12:00:00.000Z';
const later = (hours: number): Date => new Date(NOW.getTime() + hours * 3_600_000);

function limited(amount: string): SpendControls {
  return { limits: { day_amount: amount } };
}

describe('a change of controls', () => {
  it('applies at once what is tighter', () => {
    const wanted: SpendControls = { limits: { day_amount: '5000' }, blocked_channels: ['atm'] };
    expect(splitControlsChange(limited('10000'), wanted, NOW, HOURS)).toEqual({ now: wanted, later: null });
  });

  it('lets what is looser wait', () => {
    expect(splitControlsChange(limited('5000'), limited('10000'), NOW, HOURS)).toEqual({
      now: limited('5000'),
      later: { controls: limited('10000'), effective_at: TOMORROW },
    });
  });

  it.each<[string, SpendControls, SpendControls]>([
    ['a limit that is taken away', { limits: { day_amount: '5000', week_count: 3 } }, { limits: { week_count: 3 } }],
    [
      'a group that is no longer blocked',
      { blocked_merchant_groups: ['gambling', 'cash'] },
      { blocked_merchant_groups: ['cash'] },
    ],
    [
      'another group that is allowed',
      { allowed_merchant_groups: ['fuel'] },
      { allowed_merchant_groups: ['fuel', 'travel'] },
    ],
    ['a list of what is allowed that is taken away', { allowed_merchant_groups: ['fuel'] }, {}],
  ])('%s waits', (_name, current, wanted) => {
    const split = splitControlsChange(current, wanted, NOW, HOURS);
    expect(split.now).toEqual(current);
    expect(split.later).toEqual({ controls: wanted, effective_at: TOMORROW });
  });

  it('splits a change that is both', () => {
    const current: SpendControls = { limits: { day_amount: '5000', month_amount: '90000' }, blocked_channels: ['atm'] };
    const wanted: SpendControls = {
      limits: { day_amount: '8000', month_amount: '60000' },
      blocked_channels: ['ecommerce'],
    };
    expect(splitControlsChange(current, wanted, NOW, HOURS)).toEqual({
      now: { limits: { day_amount: '5000', month_amount: '60000' }, blocked_channels: ['atm', 'ecommerce'] },
      later: { controls: wanted, effective_at: TOMORROW },
    });
  });

  it('keeps a fleet document that asks for nothing: with it, an odometer must not go back', () => {
    const current: SpendControls = { ...limited('5000'), fleet: { odometer_required: false } };
    const wanted: SpendControls = { ...limited('9000'), fleet: { odometer_required: false } };
    expect(splitControlsChange(current, wanted, NOW, HOURS).now).toEqual({ ...limited('5000'), fleet: {} });
    expect(splitControlsChange(current, limited('3000'), NOW, HOURS)).toEqual({
      now: { ...limited('3000'), fleet: {} },
      later: { controls: limited('3000'), effective_at: TOMORROW },
    });
    expect(splitControlsChange(limited('5000'), { ...limited('5000'), fleet: {} }, NOW, HOURS).later).toBeNull();
    expect(sameControls({ fleet: {} }, { fleet: { fuel_only: false } })).toBe(true);
    expect(sameControls({ fleet: {} }, {})).toBe(false);
  });

  it.each<[string, SpendControls, SpendControls]>([
    ['drivers', { fleet: { allowed_driver_ids: ['42', '0'] } }, { fleet: { allowed_driver_ids: ['0042', '000'] } }],
    ['vehicles', { fleet: { allowed_vehicle_ids: ['007'] } }, { fleet: { allowed_vehicle_ids: ['7', '07'] } }],
    ['an instant', { valid_from: '2026-12-01T00:00:00Z' }, { valid_from: '2026-12-01T01:00:00.000+01:00' }],
    ['the last instant', { valid_until: '2026-12-01T00:00:00Z' }, { valid_until: '2026-12-01T00:00:00.000Z' }],
  ])('is none when it is only written otherwise: %s', (_name, current, wanted) => {
    expect(splitControlsChange(current, wanted, NOW, HOURS)).toEqual({ now: wanted, later: null });
  });

  it('keeps those who are on both lists, however their numbers are written', () => {
    const drivers = (...allowed_driver_ids: string[]): SpendControls => ({ fleet: { allowed_driver_ids } });
    expect(splitControlsChange(drivers('42', '7'), drivers('0042', '43'), NOW, HOURS)).toEqual({
      now: drivers('42'),
      later: { controls: drivers('0042', '43'), effective_at: TOMORROW },
    });
  });

  it('waits for nothing without a cooling-off', () => {
    expect(splitControlsChange(limited('5000'), limited('10000'), NOW, 0)).toEqual({
      now: limited('10000'),
      later: null,
    });
  });

  it('is none when only the order differs', () => {
    const current: SpendControls = { blocked_channels: ['atm', 'ecommerce'], limits: {} };
    expect(splitControlsChange(current, { blocked_channels: ['ecommerce', 'atm'] }, NOW, HOURS).later).toBeNull();
  });
});

describe('a second change while a raise waits', () => {
  const current = limited('5000');
  const waiting: PendingControls = { controls: limited('10000'), effective_at: TOMORROW };
  const change = (wanted: SpendControls, hours: number) =>
    splitControlsChange(current, wanted, later(hours), HOURS, waiting);

  it('to what is in force cancels it', () => {
    expect(change(current, 1)).toEqual({ now: current, later: null });
  });

  it('to less than what is in force applies at once and cancels it', () => {
    expect(change(limited('3000'), 1)).toEqual({ now: limited('3000'), later: null });
  });

  it('that asks for the same again keeps its deadline', () => {
    expect(change(limited('10000'), 5).later).toEqual(waiting);
  });

  it('that asks for less of a raise keeps its deadline', () => {
    expect(change(limited('7000'), 5).later).toEqual({ controls: limited('7000'), effective_at: TOMORROW });
  });

  it('that tightens something else applies that now and keeps the raise waiting as long as before', () => {
    const wanted: SpendControls = { ...limited('10000'), blocked_channels: ['atm'] };
    expect(change(wanted, 5)).toEqual({
      now: { ...current, blocked_channels: ['atm'] },
      later: { controls: wanted, effective_at: TOMORROW },
    });
  });

  it('that asks for more waits anew', () => {
    expect(change(limited('20000'), 5).later?.effective_at).toBe(later(5 + HOURS).toISOString());
  });

  it('waits no longer than the cooling-off of today', () => {
    expect(splitControlsChange(current, limited('9000'), later(1), 2, waiting).later?.effective_at).toBe(
      later(3).toISOString(),
    );
  });
});

describe('any two sets of controls', () => {
  it('are tightened to one that is no looser than either, whatever their order', () => {
    fc.assert(
      fc.property(anyControls, anyControls, (one, other) => {
        const tight = tighterControls(one, other);
        expect(isLooser(tight, one)).toBe(false);
        expect(isLooser(tight, other)).toBe(false);
        expect(sameControls(tight, tighterControls(other, one))).toBe(true);
        expect(sameControls(tighterControls(one, one), one)).toBe(true);
        expect(sameControls(tighterControls(tight, one), tight)).toBe(true);
      }),
    );
  });

  it('change so that what is in force now is never looser than before, nor than wanted', () => {
    fc.assert(
      fc.property(anyControls, anyControls, fc.integer({ min: 1, max: 720 }), (current, wanted, hours) => {
        const split = splitControlsChange(current, wanted, NOW, hours);
        expect(isLooser(split.now, current)).toBe(false);
        expect(isLooser(split.now, wanted)).toBe(false);
        expect(split.later === null).toBe(!isLooser(wanted, current));
        expect(sameControls(split.later?.controls ?? split.now, wanted)).toBe(true);
      }),
    );
  });

  it('keep an earlier deadline only for what was asked for then', () => {
    fc.assert(
      fc.property(anyControls, anyControls, anyControls, (current, first, second) => {
        const before = splitControlsChange(current, first, NOW, HOURS);
        const after = splitControlsChange(before.now, second, later(5), HOURS, before.later);
        expect(isLooser(after.now, before.now)).toBe(false);
        if (after.later === null || before.later === null || after.later.effective_at !== before.later.effective_at)
          return;
        expect(isLooser(after.later.controls, before.later.controls)).toBe(false);
      }),
    );
  });
});

/** Purchases in the small world of {@link anyControls}. */
const anyPurchase = fc.record({
  at: fc.integer({ min: 0, max: 7 * 24 * 60 }).map((minutes) => new Date(NOW.getTime() + minutes * 60_000)),
  amount: fc.integer({ min: 1, max: 600_000 }).map(BigInt),
  mcc: fc.oneof(fc.integer({ min: 5_400, max: 5_436 }).map(String), fc.constantFrom('5541', '5812', '7995')),
  merchantId: fc.constantFrom('M1', 'M2', 'M3', 'S1'),
  merchantCountry: fc.constantFrom('DEU', 'USA', 'FRA', 'IRN'),
  channel: fc.constantFrom('atm', 'ecommerce', 'chip'),
  merchantCurrency: fc.constantFrom('USD', 'EUR'),
  cashAmount: fc.constantFrom(0n, 1n),
  fleet: fc.option(
    fc.record({
      driverId: fc.constantFrom(null, 'D1', 'D3'),
      vehicleId: fc.constantFrom(null, 'V1', 'V3'),
      odometer: fc.constantFrom(null, 100n, 400n),
      fuelVolumeMl: fc.constantFrom(null, 10n, 40n),
      fuelType: fc.constantFrom(null, 'diesel', 'lpg'),
    }),
    { nil: null },
  ),
});

const anyCounters = fc.option(
  fc
    .record({
      amount: fc.integer({ min: 0, max: 900_000 }),
      count: fc.integer({ min: 0, max: 40 }),
      ages: fc.array(fc.integer({ min: 1, max: 90_000 }), { maxLength: 4 }),
      lock: fc.boolean(),
      odometer: fc.boolean(),
    })
    .map(({ amount, count, ages, lock, odometer }): ((at: Date) => StoredLimitCounters) => (at) => {
      const window = [at.getTime() - 3_600_000 * 24 * 400, String(amount), count] as const;
      const open = [at.getTime(), String(amount), count] as const;
      return {
        day: open,
        week: open,
        month: open,
        year: open,
        all_time: window,
        recent: ages.map((seconds) => [at.getTime() - seconds * 1_000, '500', '5541'] as const),
        ...(lock ? { lock: ['M1', at.getTime() - 1_000, 1] as const } : {}),
        ...(odometer ? { odometer: [at.getTime() - 86_400_000, '300'] as const } : {}),
      };
    }),
  { nil: null },
);

/** Few fields at a time, so that some purchases come through. */
const someControls = fc
  .tuple(anyControls, fc.integer({ min: 0, max: 2 }), fc.infiniteStream(fc.nat()))
  .map(([controls, kept, stream]): SpendControls => {
    const fields = Object.entries(controls);
    const order = fields.map((field) => ({ field, rank: stream.next().value as number }));
    const chosen = order.sort((one, other) => one.rank - other.rank).slice(0, kept);
    return Object.fromEntries(chosen.map(({ field }) => field)) as SpendControls;
  });

/** Few rules for fuel, each hardly restricting. */
const someFleet: fc.Arbitrary<SpendControls> = fc
  .record(
    {
      fuel_only: fc.boolean(),
      odometer_required: fc.boolean(),
      odometer_max_per_day: fc.constantFrom(50, 500),
      allowed_driver_ids: fc.uniqueArray(fc.constantFrom('7', '07', '007', '8', '0'), { minLength: 1, maxLength: 4 }),
      allowed_vehicle_ids: fc.uniqueArray(fc.constantFrom('1', '01', '2'), { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: [] },
  )
  .chain((fleet) => fc.constantFrom<SpendControls[]>({ fleet }, { fleet: {} }, {}));

const anyFill = fc.record({
  at: fc.constant(NOW),
  amount: fc.constant(5_000n),
  mcc: fc.constantFrom('5541', '5542', '5541', '5411'),
  fleet: fc.record({
    driverId: fc.constantFrom('7', '007', '08', '0'),
    vehicleId: fc.constantFrom('1', '002'),
    odometer: fc.constantFrom(null, 200n, 350n, 700n),
    fuelVolumeMl: fc.constant(null),
    fuelType: fc.constant(null),
  }),
});

describe.each<
  [string, fc.Arbitrary<SpendControls>, fc.Arbitrary<Partial<SpendRequest> & { at: Date; amount: bigint }>]
>([
  ['any controls', someControls, anyPurchase],
  ['a fuel card', someFleet, anyFill],
])('what is in force after a change of %s', (_name, someOf, purchases) => {
  it('approves nothing that was refused before, and nothing that is to be refused', () => {
    let approvals = 0;
    let refusals = 0;
    fc.assert(
      fc.property(someOf, someOf, purchases, anyCounters, (current, wanted, purchase, countersAt) => {
        const { at, amount, ...rest } = purchase;
        const base = snapshotOf({
          funds: { USDC: 10n ** 15n },
          prices: { USDC: priceOf('USDC', 100_000_000n, { observedAt: at }) },
        });
        const approves = (controls: SpendControls): boolean => {
          const card = base.card && { ...base.card, controls, counters: countersAt?.(at) ?? null };
          const snapshot = { ...base, accountCounters: countersAt?.(at) ?? null, card };
          return decideAuthorization(snapshot, requestOf(amount, rest), at).outcome === 'approved';
        };
        const { now } = splitControlsChange(current, wanted, NOW, HOURS);
        if (approves(now)) {
          approvals += 1;
          expect([approves(current), approves(wanted)]).toEqual([true, true]);
        } else if (approves(current) && approves(wanted)) {
          refusals += 1;
        }
      }),
      { numRuns: 600 },
    );
    expect(approvals).toBeGreaterThan(20);
    // It is the loosest of what is no looser than either: what both allow, it allows.
    expect(refusals).toBe(0);
  });
});
