import fc from 'fast-check';
import type { FleetControls, HourSpan, SpendControls, VelocityRule } from '../../services/cards/rules/spend-controls';
import { MERCHANT_GROUPS, type MerchantGroup, type SpendLimits } from '../../services/programs/rules/program-policy';

const groups = fc.uniqueArray(fc.constantFrom(...(Object.keys(MERCHANT_GROUPS) as MerchantGroup[])), { maxLength: 4 });
const amount = fc.integer({ min: 0, max: 1_000_000 }).map(String);
const count = fc.integer({ min: 0, max: 50 });

type Generators<Document> = { [Field in keyof Document]-?: fc.Arbitrary<Exclude<Document[Field], undefined>> };

const limits: Generators<SpendLimits> = {
  per_transaction_amount: amount,
  day_amount: amount,
  week_amount: amount,
  month_amount: amount,
  year_amount: amount,
  all_time_amount: amount,
  day_count: count,
  week_count: count,
  month_count: count,
  year_count: count,
  all_time_count: count,
};

const listOf = <Item extends string>(...items: readonly [Item, ...Item[]]) =>
  fc.uniqueArray(fc.constantFrom(...items), { maxLength: items.length });
const instant = fc.integer({ min: 0, max: 1_000 }).map((day) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString());
const mccs = fc.array(
  fc
    .tuple(fc.integer({ min: 5_400, max: 5_430 }), fc.integer({ min: 0, max: 5 }))
    .map(([from, more]) => (more === 0 ? `${from}` : `${from}-${from + more}`)),
  { maxLength: 3 },
);
const time = fc.integer({ min: 0, max: 95 }).map((quarter) => {
  const minutes = quarter * 15;
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
});
const span: fc.Arbitrary<HourSpan> = fc.record({
  days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 }),
  from: time,
  to: fc.oneof(time, fc.constant('24:00')),
});
const velocity = fc.record(
  {
    window_seconds: fc.constantFrom(3_600, 86_400),
    max_count: fc.integer({ min: 1, max: 10 }),
    max_amount: amount,
    merchant_groups: groups,
    per: fc.constantFrom('card' as const, 'account' as const),
  },
  { requiredKeys: ['window_seconds', 'max_count', 'per'] },
) as fc.Arbitrary<VelocityRule>;

const fleet: Generators<FleetControls> = {
  fuel_only: fc.boolean(),
  per_fill_amount: amount,
  per_fill_volume_ml: count,
  tank_ml: count,
  allowed_fuel_types: listOf('diesel', 'unleaded'),
  allowed_stations: listOf('S1', 'S2'),
  odometer_required: fc.boolean(),
  odometer_max_per_day: count,
  driver_id_required: fc.boolean(),
  allowed_driver_ids: listOf('D1', 'D2'),
  vehicle_id_required: fc.boolean(),
  allowed_vehicle_ids: listOf('V1', 'V2'),
};

const controls: Generators<SpendControls> = {
  limits: fc.record(limits, { requiredKeys: [] }) as fc.Arbitrary<SpendLimits>,
  allowed_merchant_groups: groups,
  blocked_merchant_groups: groups,
  allowed_mccs: mccs,
  blocked_mccs: mccs,
  allowed_merchants: listOf('M1', 'M2', 'M3'),
  blocked_merchants: listOf('M1', 'M2', 'M3'),
  merchant_lock: fc.constant('first_use' as const),
  allowed_merchant_countries: listOf('DEU', 'USA', 'FRA'),
  blocked_merchant_countries: listOf('CUB', 'IRN', 'DEU'),
  allowed_channels: listOf('atm', 'ecommerce', 'chip'),
  blocked_channels: listOf('atm', 'ecommerce', 'chip'),
  cash_withdrawals: fc.boolean(),
  foreign_currency: fc.boolean(),
  never: fc.boolean(),
  hours: fc.array(span, { maxLength: 3 }),
  valid_from: instant,
  valid_until: instant,
  single_use: fc.boolean(),
  velocity: fc.array(velocity, { maxLength: 3 }),
  fleet: fc.record(fleet, { requiredKeys: [] }) as fc.Arbitrary<FleetControls>,
};

/** Any controls; every field that there is, each there or not. */
export const anyControls = fc.record(controls, { requiredKeys: [] }) as fc.Arbitrary<SpendControls>;
