import type { SpendLimits } from '../../programs/rules/program-policy';
import { minBigint } from '../../shared/money';
import { plainNumber } from './evaluate-controls';
import type { FleetControls, HourSpan, PendingControls, SpendControls, VelocityRule } from './spend-controls';

const HOUR_MS = 3_600_000;

/**
 * The tighter of two values of one field: what both allow, and nothing else. `undefined` is no restriction, given and
 * returned. It is a meet: the order of the two does not matter, the result allows no more than either, and the same value
 * twice gives it back in its normal form.
 */
type Tighter<Value> = (one: Value | undefined, other: Value | undefined) => Value | undefined;

/** How each field of `Document` is tightened. Total: a new field does not compile until it says so. */
type TighterFields<Document> = { readonly [Field in keyof Document]-?: Tighter<Exclude<Document[Field], undefined>> };

/** Where only one of the two restricts, it is met with itself, for its normal form. */
function both<Value>(meet: (one: Value, other: Value) => Value | undefined): Tighter<Value> {
  return (one, other) => {
    const first = one ?? other;
    const second = other ?? one;
    return first === undefined || second === undefined ? undefined : meet(first, second);
  };
}

const lowerAmount = both<string>((one, other) => minBigint(BigInt(one), BigInt(other)).toString());
const lowerCount = both<number>((one, other) => Math.min(one, other));
const instantOf = (ms: number): string => new Date(ms).toISOString();
const laterInstant = both<string>((one, other) => instantOf(Math.max(Date.parse(one), Date.parse(other))));
const earlierInstant = both<string>((one, other) => instantOf(Math.min(Date.parse(one), Date.parse(other))));

/** Restricts where it is true. */
const demand: Tighter<boolean> = (one, other) => (one === true || other === true ? true : undefined);

/** Restricts where it is false. */
const permission: Tighter<boolean> = (one, other) => (one === false || other === false ? false : undefined);

/** A value that restricts by being there, and can be nothing else. */
function mark<Value>(): Tighter<Value> {
  return both((one) => one);
}

/** What is on both lists: for lists of what is allowed. */
function onBoth<Item>(): Tighter<readonly Item[]> {
  return both((one, other) => [...new Set(one.filter((item) => other.includes(item)))]);
}

/** Numbers that are typed at a pump, on both lists as decisions compare them. */
const numbersOnBoth = both<readonly string[]>((one, other) => {
  const others = new Set(other.map(plainNumber));
  return [...new Set(one.map(plainNumber))].filter((id) => others.has(id));
});

/** What is on either list: for lists of what is blocked. */
function onEither<Item>(): Tighter<readonly Item[]> {
  return both((one, other) => {
    const items = [...new Set([...one, ...other])];
    return items.length === 0 ? undefined : items;
  });
}

/** The tighter of two documents, field by field. */
function tighterOf<Document extends object>(fields: TighterFields<Document>): Tighter<Document> {
  return both((one, other) => {
    const met: Partial<Record<keyof Document, unknown>> = {};
    for (const field of Object.keys(fields) as (keyof Document)[]) {
      const value = fields[field](one[field] as never, other[field] as never);
      if (value !== undefined) met[field] = value;
    }
    return Object.keys(met).length === 0 ? undefined : (met as Document);
  });
}

/** The tighter of two documents that restrict by being there, also where no field of them does. */
function tighterIfAny<Document extends object>(fields: TighterFields<Document>, none: Document): Tighter<Document> {
  const tighter = tighterOf(fields);
  return both((one, other) => tighter(one, other) ?? none);
}

/** Half-open: `from` is in it, `to` is not. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** The same numbers in as few spans as it takes, in order. */
function mergedSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const span of [...spans].filter(({ from, to }) => from < to).sort((one, other) => one.from - other.from)) {
    const last = merged.at(-1);
    if (last === undefined || span.from > last.to) merged.push(span);
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
  }
  return merged;
}

function commonSpans(one: readonly Span[], other: readonly Span[]): readonly Span[] {
  const common = one.flatMap((left) =>
    other.map((right) => ({ from: Math.max(left.from, right.from), to: Math.min(left.to, right.to) })),
  );
  return mergedSpans(common);
}

/** `5411` and `5811-5814` as spans of numbers. */
function mccSpans(mccs: readonly string[]): readonly Span[] {
  return mergedSpans(
    mccs.map((text) => {
      const [first, last] = text.split('-');
      return { from: Number(first), to: Number(last ?? first) + 1 };
    }),
  );
}

function mccsOf(spans: readonly Span[]): readonly string[] {
  const code = (mcc: number) => String(mcc).padStart(4, '0');
  return spans.map(({ from, to }) => (to - from === 1 ? code(from) : `${code(from)}-${code(to - 1)}`));
}

const mccsOnBoth = both<readonly string[]>((one, other) => mccsOf(commonSpans(mccSpans(one), mccSpans(other))));
const mccsOnEither = both<readonly string[]>((one, other) => {
  const mccs = mccsOf(mccSpans([...one, ...other]));
  return mccs.length === 0 ? undefined : mccs;
});

const DAY_MINUTES = 1_440;
const WEEK_MINUTES = 7 * DAY_MINUTES;

function minuteOf(text: string): number {
  const [hours, minutes] = text.split(':');
  return Number(hours) * 60 + Number(minutes);
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

/** Hours as spans of minutes since Monday began; one over the end of the week goes on at its beginning. */
function weekSpans(hours: readonly HourSpan[]): readonly Span[] {
  const spans = hours.flatMap(({ days, from, to }) =>
    days.map((day) => {
      const start = (day - 1) * DAY_MINUTES + minuteOf(from);
      const length = minuteOf(to) - minuteOf(from);
      return { from: start, to: start + (length > 0 ? length : length + DAY_MINUTES) };
    }),
  );
  return mergedSpans(
    spans.flatMap(({ from, to }) =>
      to <= WEEK_MINUTES
        ? [{ from, to }]
        : [
            { from, to: WEEK_MINUTES },
            { from: 0, to: to - WEEK_MINUTES },
          ],
    ),
  );
}

/** One entry for each time of day, with the days on which it is that. Nothing lasts over midnight. */
function hoursOf(spans: readonly Span[]): readonly HourSpan[] {
  const daysOf = new Map<string, number[]>();
  for (const { from, to } of spans) {
    for (let start = from; start < to; ) {
      const day = Math.floor(start / DAY_MINUTES);
      const end = Math.min(to, (day + 1) * DAY_MINUTES);
      const times = `${clock(start - day * DAY_MINUTES)}-${clock(end - day * DAY_MINUTES)}`;
      daysOf.set(times, [...(daysOf.get(times) ?? []), day + 1]);
      start = end;
    }
  }
  return [...daysOf].map(([times, days]) => ({ days, from: times.slice(0, 5), to: times.slice(6) }));
}

const commonHours = both<readonly HourSpan[]>((one, other) => {
  const spans = commonSpans(weekSpans(one), weekSpans(other));
  return spans[0]?.from === 0 && spans[0].to === WEEK_MINUTES ? undefined : hoursOf(spans);
});

/** All rules of both; of two about the same purchases in the same window, the lower figures. */
const allVelocity = both<readonly VelocityRule[]>((one, other) => {
  const rules = new Map<string, VelocityRule>();
  for (const rule of [...one, ...other]) {
    const key = canonical([rule.window_seconds, rule.per, { groups: rule.merchant_groups ?? 'any' }]);
    const known = rules.get(key);
    const amount = lowerAmount(known?.max_amount, rule.max_amount);
    rules.set(key, {
      ...rule,
      max_count: Math.min(known?.max_count ?? rule.max_count, rule.max_count),
      ...(amount === undefined ? {} : { max_amount: amount }),
    });
  }
  return rules.size === 0 ? undefined : [...rules.values()];
});

const LIMITS: TighterFields<SpendLimits> = {
  per_transaction_amount: lowerAmount,
  day_amount: lowerAmount,
  week_amount: lowerAmount,
  month_amount: lowerAmount,
  year_amount: lowerAmount,
  all_time_amount: lowerAmount,
  day_count: lowerCount,
  week_count: lowerCount,
  month_count: lowerCount,
  year_count: lowerCount,
  all_time_count: lowerCount,
};

const FLEET: TighterFields<FleetControls> = {
  fuel_only: demand,
  per_fill_amount: lowerAmount,
  per_fill_volume_ml: lowerCount,
  tank_ml: lowerCount,
  allowed_fuel_types: onBoth(),
  allowed_stations: onBoth(),
  odometer_required: demand,
  odometer_max_per_day: lowerCount,
  driver_id_required: demand,
  allowed_driver_ids: numbersOnBoth,
  vehicle_id_required: demand,
  allowed_vehicle_ids: numbersOnBoth,
};

const CONTROLS: TighterFields<SpendControls> = {
  limits: tighterOf(LIMITS),
  allowed_merchant_groups: onBoth(),
  blocked_merchant_groups: onEither(),
  allowed_mccs: mccsOnBoth,
  blocked_mccs: mccsOnEither,
  allowed_merchants: onBoth(),
  blocked_merchants: onEither(),
  merchant_lock: mark(),
  allowed_merchant_countries: onBoth(),
  blocked_merchant_countries: onEither(),
  allowed_channels: onBoth(),
  blocked_channels: onEither(),
  cash_withdrawals: permission,
  foreign_currency: permission,
  hours: commonHours,
  valid_from: laterInstant,
  valid_until: earlierInstant,
  single_use: demand,
  velocity: allVelocity,
  // With any, an odometer must not go back.
  fleet: tighterIfAny(FLEET, {}),
};

const tighter = tighterOf(CONTROLS);

/** The controls that allow what both allow, and nothing else. */
export function tighterControls(one: SpendControls, other: SpendControls): SpendControls {
  return tighter(one, other) ?? {};
}

/** Whether `wanted` allows something that `current` does not. */
export function isLooser(wanted: SpendControls, current: SpendControls): boolean {
  return !sameControls(tighterControls(current, wanted), wanted);
}

/** Whether two sets of controls restrict the same: the order of lists and of fields says nothing. */
export function sameControls(one: SpendControls, other: SpendControls): boolean {
  return canonical(tighterControls(one, one)) === canonical(tighterControls(other, other));
}

/** Text that is the same for what restricts the same, given in normal form. Lists are sets. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).sort().join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([name, entry]) => `${JSON.stringify(name)}:${canonical(entry)}`);
  return `{${entries.sort().join(',')}}`;
}

/** What a change does now, and what of it has to wait. */
export interface ControlsSplit {
  readonly now: SpendControls;
  /** The whole set that takes effect then; null when nothing waits. */
  readonly later: PendingControls | null;
}

/**
 * Splits a change of controls: what is tighter applies at once, what is looser waits for the cooling-off. What applies now
 * is never looser than `current`, nor than `wanted`.
 *
 * `waiting` is what an earlier change left waiting. The new change takes its place as a whole, and keeps its deadline
 * where it asks for nothing looser than what has been waiting already; otherwise the cooling-off begins anew.
 */
export function splitControlsChange(
  current: SpendControls,
  wanted: SpendControls,
  now: Date,
  coolingOffHours: number,
  waiting: PendingControls | null = null,
): ControlsSplit {
  const tightened = tighterControls(current, wanted);
  if (coolingOffHours <= 0 || sameControls(tightened, wanted)) return { now: wanted, later: null };
  const anew = new Date(now.getTime() + coolingOffHours * HOUR_MS).toISOString();
  const kept = waiting !== null && !isLooser(wanted, waiting.controls) && waiting.effective_at < anew;
  return { now: tightened, later: { controls: wanted, effective_at: kept ? waiting.effective_at : anew } };
}
