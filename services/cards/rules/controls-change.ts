import type { SpendLimits } from '../../programs/rules/program-policy';
import { minBigint } from '../../shared/money';
import { plainNumber } from './evaluate-controls';
import {
  COUNTRIES_MAX,
  type FleetControls,
  HOURS_MAX,
  type HourSpan,
  LISTED_MAX,
  type PendingControls,
  type SpendControls,
  VELOCITY_KEPT_MAX,
  VELOCITY_RULES_MAX,
  type VelocityRule,
} from './spend-controls';

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

/**
 * All rules of both; of two about the same purchases in the same window, the lower figures. What another rule refuses anyway is left
 * out, and so is a rule about no purchase.
 */
const allVelocity = both<readonly VelocityRule[]>((one, other) => {
  const rules = new Map<string, VelocityRule>();
  for (const rule of [...one, ...other]) {
    if (rule.merchant_groups?.length === 0) continue;
    const key = canonical([rule.window_seconds, rule.per, { groups: rule.merchant_groups ?? 'any' }]);
    const known = rules.get(key);
    const amount = lowerAmount(known?.max_amount, rule.max_amount);
    rules.set(key, {
      ...rule,
      max_count: Math.min(known?.max_count ?? rule.max_count, rule.max_count),
      ...(amount === undefined ? {} : { max_amount: amount }),
    });
  }
  const needed = [...rules.values()].filter((rule, _, all) => !all.some((by) => by !== rule && implies(by, rule)));
  return needed.length === 0 ? undefined : needed;
});

/** Whether whatever `rule` refuses, `by` refuses too. No two of a list of different rules imply each other. */
function implies(by: VelocityRule, rule: VelocityRule): boolean {
  if (by.per !== rule.per || by.window_seconds < rule.window_seconds || by.max_count > rule.max_count) return false;
  const groups = rule.merchant_groups;
  if (by.merchant_groups && !groups?.every((group) => by.merchant_groups?.includes(group))) return false;
  if (rule.max_amount === undefined) return true;
  return by.max_amount !== undefined && BigInt(by.max_amount) <= BigInt(rule.max_amount);
}

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
  never: demand,
  hours: commonHours,
  valid_from: laterInstant,
  valid_until: earlierInstant,
  single_use: demand,
  velocity: allVelocity,
  // With any, an odometer must not go back.
  fleet: tighterIfAny(FLEET, {}),
};

const tighter = tighterOf(CONTROLS);

/** What both allow, and nothing else, however long it is to write. */
function met(one: SpendControls, other: SpendControls): SpendControls {
  return neverIfEmpty(tighter(one, other) ?? {});
}

/** Where no time is left that is allowed, that is said by `never` alone: no hours and no validity can say it. */
function neverIfEmpty(controls: SpendControls): SpendControls {
  if (controls.never !== true && !hasNoTime(controls)) return controls;
  const { hours: _hours, valid_from: _from, valid_until: _until, ...rest } = controls;
  return { ...rest, never: true };
}

function hasNoTime({ hours, valid_from: from, valid_until: until }: SpendControls): boolean {
  if (hours?.length === 0) return true;
  return from !== undefined && until !== undefined && Date.parse(from) >= Date.parse(until);
}

/** As it may be asked for: what was stored before there was `never` may say in a way of then that it allows no time. */
export function askedFor(wanted: SpendControls): SpendControls {
  return hasNoTime(wanted) ? neverIfEmpty(wanted) : wanted;
}

/**
 * The controls that allow what both allow: a document that may itself be asked for. It allows nothing else, and less only where
 * two documents together are longer than one may be: then spans of hours and allowed categories that are the shortest are left out,
 * gaps between blocked categories that are the smallest are blocked, and velocity rules allow fewer purchases. Lists of what is
 * blocked cannot be made shorter so: see {@link tooLongList}.
 */
export function tighterControls(one: SpendControls, other: SpendControls): SpendControls {
  return withinBounds(met(one, other));
}

/** The first list that is longer than a document may have it, with the most that it may have; null: none is. */
export function tooLongList(
  controls: SpendControls,
): { readonly field: keyof SpendControls; readonly most: number } | null {
  if ((controls.blocked_merchants?.length ?? 0) > LISTED_MAX) return { field: 'blocked_merchants', most: LISTED_MAX };
  return (controls.blocked_merchant_countries?.length ?? 0) > COUNTRIES_MAX
    ? { field: 'blocked_merchant_countries', most: COUNTRIES_MAX }
    : null;
}

function withinBounds(controls: SpendControls): SpendControls {
  const { hours, allowed_mccs, blocked_mccs, velocity, blocked_merchants, blocked_merchant_countries } = controls;
  const bounded: { -readonly [Field in keyof SpendControls]: SpendControls[Field] } = { ...controls };
  if (hours && hours.length > HOURS_MAX) bounded.hours = longest(hours, HOURS_MAX, minutesOf);
  if (allowed_mccs && allowed_mccs.length > LISTED_MAX) {
    bounded.allowed_mccs = mccsOf(longest(mccSpans(allowed_mccs), LISTED_MAX, lengthOf));
  }
  if (blocked_mccs && blocked_mccs.length > LISTED_MAX) {
    bounded.blocked_mccs = mccsOf(withoutSmallestGaps(mccSpans(blocked_mccs), LISTED_MAX));
  }
  if (velocity) bounded.velocity = fewPurchases(fewRules(velocity));
  // What is not on the list of what is allowed need not be blocked.
  if (blocked_merchants && blocked_merchants.length > LISTED_MAX) {
    bounded.blocked_merchants = onlyAllowed(blocked_merchants, controls.allowed_merchants);
  }
  if (blocked_merchant_countries && blocked_merchant_countries.length > COUNTRIES_MAX) {
    bounded.blocked_merchant_countries = onlyAllowed(blocked_merchant_countries, controls.allowed_merchant_countries);
  }
  return bounded;
}

function onlyAllowed(blocked: readonly string[], allowed: readonly string[] | undefined): readonly string[] {
  return allowed === undefined ? blocked : blocked.filter((entry) => allowed.includes(entry));
}

function lengthOf({ from, to }: Span): number {
  return to - from;
}

function minutesOf({ days, from, to }: HourSpan): number {
  return days.length * (minuteOf(to) - minuteOf(from));
}

/** The longest of them, as many as may be, in their order. */
function longest<Item>(items: readonly Item[], most: number, length: (item: Item) => number): readonly Item[] {
  const kept = new Set([...items].sort((one, other) => length(other) - length(one)).slice(0, most));
  return items.filter((item) => kept.has(item));
}

function withoutSmallestGaps(spans: readonly Span[], most: number): readonly Span[] {
  const gaps = spans.slice(1).map((span, index) => ({ from: spans[index]?.to ?? span.from, to: span.from }));
  const smallest = [...gaps].sort((one, other) => lengthOf(one) - lengthOf(other)).slice(0, spans.length - most);
  return mergedSpans([...spans, ...smallest]);
}

/** Of too many rules, two that are most alike become one that refuses what either does, again and again. */
function fewRules(rules: readonly VelocityRule[]): readonly VelocityRule[] {
  let left = rules;
  while (left.length > VELOCITY_RULES_MAX) {
    let best: { readonly apart: number; readonly pair: readonly [VelocityRule, VelocityRule] } | undefined;
    for (const [index, one] of left.entries()) {
      for (const other of left.slice(index + 1)) {
        const apart = distance(one, other);
        if (best === undefined || apart < best.apart) best = { apart, pair: [one, other] };
      }
    }
    if (best === undefined || best.apart === Number.POSITIVE_INFINITY) return left;
    const [one, other] = best.pair;
    const rest = left.filter((rule) => rule !== one && rule !== other);
    left = allVelocity(rest, [ruleForBoth(one, other)]) ?? [];
  }
  return left;
}

function distance(one: VelocityRule, other: VelocityRule): number {
  if (one.per !== other.per) return Number.POSITIVE_INFINITY;
  const alike = canonical(one.merchant_groups ?? 'any') === canonical(other.merchant_groups ?? 'any');
  return Math.abs(one.window_seconds - other.window_seconds) + (alike ? 0 : WEEK_MINUTES * 60_000);
}

function ruleForBoth(one: VelocityRule, other: VelocityRule): VelocityRule {
  const amount = lowerAmount(one.max_amount, other.max_amount);
  const groups = one.merchant_groups && other.merchant_groups && [...one.merchant_groups, ...other.merchant_groups];
  return {
    window_seconds: Math.max(one.window_seconds, other.window_seconds),
    max_count: Math.min(one.max_count, other.max_count),
    ...(amount === undefined ? {} : { max_amount: amount }),
    ...(groups === undefined ? {} : { merchant_groups: [...new Set(groups)] }),
    per: one.per,
  };
}

/** Where all rules together allow more purchases than may be remembered, those that allow the most allow fewer. */
function fewPurchases(rules: readonly VelocityRule[]): readonly VelocityRule[] {
  const allowedAt = (most: number) => rules.reduce((sum, rule) => sum + Math.min(rule.max_count, most), 0);
  let most = VELOCITY_KEPT_MAX;
  while (most > 1 && allowedAt(most) > VELOCITY_KEPT_MAX) most -= 1;
  return rules.map((rule) => (rule.max_count > most ? { ...rule, max_count: most } : rule));
}

/** Whether `wanted` allows something that `current` does not. */
export function isLooser(wanted: SpendControls, current: SpendControls): boolean {
  return !sameControls(met(current, wanted), wanted);
}

/** Whether two sets of controls restrict the same: the order of lists and of fields says nothing. */
export function sameControls(one: SpendControls, other: SpendControls): boolean {
  return canonical(met(one, one)) === canonical(met(other, other));
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
  if (coolingOffHours <= 0 || !isLooser(wanted, current)) return { now: askedFor(wanted), later: null };
  const tightened = tighterControls(current, wanted);
  const anew = new Date(now.getTime() + coolingOffHours * HOUR_MS).toISOString();
  const kept = waiting !== null && !isLooser(wanted, waiting.controls) && waiting.effective_at < anew;
  return {
    now: tightened,
    later: { controls: askedFor(wanted), effective_at: kept ? waiting.effective_at : anew },
  };
}
