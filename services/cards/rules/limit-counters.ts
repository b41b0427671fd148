import { maxBigint, minBigint, sumBigint } from '../../shared/money';
import { WINDOW_KINDS, type WindowKind, type WindowStarts, windowStarts } from './limit-windows';

/** What one scope has spent in one window. `start` in milliseconds since 1970, `amount` in cents. */
export interface WindowCount {
  readonly start: number;
  readonly amount: bigint;
  readonly count: number;
  /** The zone that the window follows to its end: another than the account's where that changed since. */
  readonly zone: string;
}

/** A purchase that a velocity rule may still have to count, or more of one. Times in milliseconds since 1970. */
export interface RecentPurchase {
  readonly at: number;
  /** Cents, less what was given back. */
  readonly amount: bigint;
  readonly mcc: string;
  /** When the purchase was put on record, which a reversal finds it by: before `at` for more of it, and where it was opened again. */
  readonly begunAt: number;
  /** More of a purchase that was counted before: an amount, and no purchase. */
  readonly onTop: boolean;
}

/** The merchant that a card is locked to. */
export interface MerchantLock {
  readonly merchantId: string;
  /** When the lock closed, and how many purchases that stand were made since. */
  readonly since: number;
  readonly count: number;
}

/** An odometer as it was typed at a pump. */
interface Reading {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly value: bigint;
}

/** An odometer as it was last typed at a pump; `before` are the readings before it, newest first, in case purchases are taken back. */
export interface OdometerReading extends Reading {
  readonly before: readonly Reading[];
}

/** How many readings are kept before the last. */
const READINGS_BEFORE = 4;

const NOTHING_RECENT: readonly RecentPurchase[] = [];

/** What one scope (an account, or one of its cards) has spent, and what its controls have to remember. */
export interface LimitCounters extends Readonly<Record<WindowKind, WindowCount>> {
  /** Oldest first. */
  readonly recent: readonly RecentPurchase[];
  readonly lock: MerchantLock | null;
  readonly odometer: OdometerReading | null;
}

/** `[start, amount, count, zone where it is not the row's]`, or as it was written until 2026-11: instants in ISO 8601. */
type StoredWindow =
  | readonly [start: number, amount: string, count: number, zone?: string]
  | { readonly start: string; readonly amount: string; readonly count: number };

/** `begunAt` where it is not `at`, and a 1 for more of a purchase. */
type StoredRecent = readonly [at: number, amount: string, mcc: string, begunAt?: number, onTop?: number];

/** The last reading and those before it, newest first; until 2026-11 at most one before. */
type StoredOdometer = readonly [at: number, value: string, ...before: (number | string)[]];

/** {@link LimitCounters} as stored; amounts and readings as strings. What is left out has not happened. */
export interface StoredLimitCounters extends Readonly<Record<WindowKind, StoredWindow>> {
  readonly zone?: string;
  readonly recent?: readonly StoredRecent[] | undefined;
  readonly lock?: readonly [merchantId: string, since: number, count: number] | undefined;
  readonly odometer?: StoredOdometer | undefined;
  /** When a program's usage was summed, milliseconds since 1970; counters of accounts and cards have none. */
  readonly at?: number;
}

/**
 * The counters as they stand in the windows that are open now: a window that has begun since starts from nothing. Where the
 * zone has changed, a window that is open in the zone it began in goes on to its end there, and the next follows the new one:
 * what was spent until then goes on counting while it is still the same day, week, month or year there.
 */
export function countersNow(stored: StoredLimitCounters | null, now: Date, timeZone: string): LimitCounters {
  const starts = windowStarts(now, timeZone);
  if (stored instanceof KeptCounters) {
    const counters = stored.read();
    if (allOpen(counters, starts, timeZone)) return counters;
  }
  return {
    day: windowNow('day', stored, now, timeZone, starts),
    week: windowNow('week', stored, now, timeZone, starts),
    month: windowNow('month', stored, now, timeZone, starts),
    year: windowNow('year', stored, now, timeZone, starts),
    all_time: windowNow('all_time', stored, now, timeZone, starts),
    recent: stored?.recent?.map(recentFrom) ?? NOTHING_RECENT,
    lock: stored?.lock ? { merchantId: stored.lock[0], since: stored.lock[1], count: stored.lock[2] } : null,
    odometer: stored?.odometer ? odometerFrom(stored.odometer) : null,
  };
}

function allOpen(counters: LimitCounters, starts: WindowStarts, timeZone: string): boolean {
  const { day, week, month, year, all_time } = counters;
  return (
    isOpen(day, starts.day, timeZone) &&
    isOpen(week, starts.week, timeZone) &&
    isOpen(month, starts.month, timeZone) &&
    isOpen(year, starts.year, timeZone) &&
    isOpen(all_time, starts.all_time, timeZone)
  );
}

function isOpen(window: WindowCount, start: Date, timeZone: string): boolean {
  return window.zone === timeZone && window.start >= start.getTime();
}

function windowNow(
  kind: WindowKind,
  stored: StoredLimitCounters | null,
  now: Date,
  timeZone: string,
  starts: WindowStarts,
): WindowCount {
  const start = starts[kind].getTime();
  if (stored === null) return { start, amount: 0n, count: 0, zone: timeZone };
  const known = stored[kind];
  const rowZone = stored.zone ?? timeZone;
  const [began, amount, count, ownZone] =
    'start' in known ? [Date.parse(known.start), known.amount, known.count] : known;
  // All time knows no zone.
  const zone = kind === 'all_time' ? timeZone : (ownZone ?? rowZone);
  const opened = zone === timeZone ? start : windowStarts(now, zone)[kind].getTime();
  if (began >= opened) return { start: began, amount: BigInt(amount), count, zone };
  if (zone !== timeZone && goesOn(kind, { began, zone }, starts[kind])) {
    return { start: Math.max(start, began), amount: BigInt(amount), count, zone: timeZone };
  }
  // Nothing was counted between the end of the old window and now, or this would have been done then.
  return { start: Math.max(start, opened), amount: 0n, count: 0, zone: timeZone };
}

/** Two zones are 26 hours apart at most, and a week is longer. */
const ZONES_APART_MS = 2 * 86_400_000;

/**
 * Whether the window of another zone that is open there since `start` had begun before a window that is over in its own zone
 * was: what was spent until then is spent in both. Where a move to the east leaves all but the first hours of a new week, month
 * or year, it is another one: a whole month would be counted twice. A day always goes on, or each hop would give a fresh one.
 */
function goesOn(kind: WindowKind, { began, zone }: { began: number; zone: string }, start: Date): boolean {
  if (windowStarts(start, zone)[kind].getTime() > began) return false;
  return kind === 'day' || start.getTime() - windowStarts(new Date(began), zone)[kind].getTime() < ZONES_APART_MS;
}

function recentFrom([at, amount, mcc, begunAt, onTop]: StoredRecent): RecentPurchase {
  return { at, amount: BigInt(amount), mcc, begunAt: begunAt ?? at, onTop: onTop === 1 };
}

function odometerFrom([at, value, ...rest]: StoredOdometer): OdometerReading {
  const before: Reading[] = [];
  for (let index = 0; index + 1 < rest.length; index += 2) {
    before.push({ at: Number(rest[index]), value: BigInt(rest[index + 1] as string) });
  }
  return { at, value: BigInt(value), before };
}

/** What is counted of a purchase, and what a reversal finds it by. */
export interface CountedPurchase {
  /** When it was put on record. */
  readonly at: Date;
  /** When it is counted, where that is later: more of it, or it had ended and is open again. */
  readonly countedAt?: Date;
  readonly mcc: string;
  readonly merchantId: string;
}

/** What the controls in force need remembered of a purchase in one scope. */
export interface Remembered {
  /** Whether a purchase of this age (milliseconds) at such a merchant may still be asked for by a velocity rule. */
  readonly velocity: ((ageMs: number, mcc: string) => boolean) | null;
  /** The card is for the first merchant only. */
  readonly merchantLock: boolean;
  /** As typed at the pump, where the card's controls look at it. */
  readonly odometer: bigint | null;
}

/** Every window changed. Written out, because objects built key by key made counting cost more than deciding. */
function withWindows(counters: LimitCounters, change: (window: WindowCount) => WindowCount): LimitCounters {
  const { day, week, month, year, all_time, recent, lock, odometer } = counters;
  return {
    day: change(day),
    week: change(week),
    month: change(month),
    year: change(year),
    all_time: change(all_time),
    recent,
    lock,
    odometer,
  };
}

/** Counts one more authorization of `amount` cents in every window. */
export function countAuthorization(counters: LimitCounters, amount: bigint): LimitCounters {
  return withWindows(counters, ({ start, amount: spent, count, zone }) => ({
    start,
    amount: spent + amount,
    count: count + 1,
    zone,
  }));
}

/** {@link countAuthorization}, with what the controls will ask for later. What they no longer ask for is forgotten. */
export function countPurchase(
  counters: LimitCounters,
  purchase: CountedPurchase,
  amount: bigint,
  remembered: Remembered,
): LimitCounters {
  const counted = countAuthorization(counters, amount);
  const begunAt = purchase.at.getTime();
  const at = purchase.countedAt?.getTime() ?? begunAt;
  const { mcc } = purchase;
  const { velocity, merchantLock, odometer } = remembered;
  return {
    ...counted,
    recent: velocity
      ? recentWith(counters.recent, { at, amount, mcc, begunAt, onTop: false }, velocity)
      : NOTHING_RECENT,
    lock: merchantLock ? lockWith(counters.lock, purchase) : null,
    odometer: odometer === null ? counters.odometer : { at, value: odometer, before: readingsOf(counters.odometer) },
  };
}

/**
 * More of a purchase that was counted before: an amount in the windows open now, and no purchase more. Velocity rules see it as
 * what it is, an amount that is spent now; null: none asks for it.
 */
export function countIncrement(
  counters: LimitCounters,
  purchase: CountedPurchase,
  amount: bigint,
  velocity: Remembered['velocity'] = null,
): LimitCounters {
  const windows = withWindows(counters, (window) => ({ ...window, amount: window.amount + amount }));
  if (velocity === null || amount === 0n) return windows;
  const begunAt = purchase.at.getTime();
  const at = purchase.countedAt?.getTime() ?? begunAt;
  const more = { at, amount, mcc: purchase.mcc, begunAt, onTop: true };
  return { ...windows, recent: inFewEntries(recentWith(counters.recent, more, velocity)) };
}

/** With one more, where a rule may ask for it, and without those that none asks for any more. */
function recentWith(
  recent: readonly RecentPurchase[],
  added: RecentPurchase,
  velocity: NonNullable<Remembered['velocity']>,
): readonly RecentPurchase[] {
  const kept = recent.filter((known) => velocity(added.at - known.at, known.mcc));
  if (velocity(0, added.mcc)) kept.push(added);
  return kept;
}

/** Purchases are bounded by the rules that ask for them; how often more is asked for one is not. */
const ON_TOP_MAX = 100;

/**
 * Of what came on top of one purchase, two amounts that follow each other become one, at the time of the later: those that lie
 * closest behind the one before them, so that none counts much longer than it should.
 */
function inFewEntries(recent: readonly RecentPurchase[]): readonly RecentPurchase[] {
  if (recent.length <= ON_TOP_MAX || recent.filter((known) => known.onTop).length <= ON_TOP_MAX) return recent;
  const lastOf = new Map<string, readonly RecentPurchase[]>();
  let closest = { behindMs: Number.POSITIVE_INFINITY, earlier: recent[0], later: recent[0] };
  for (const later of recent) {
    if (!later.onTop) continue;
    const of = `${later.begunAt} ${later.mcc}`;
    const [earlier, before] = lastOf.get(of) ?? [];
    lastOf.set(of, earlier ? [later, earlier] : [later]);
    const behindMs = before ? later.at - before.at : Number.POSITIVE_INFINITY;
    if (behindMs < closest.behindMs) closest = { behindMs, earlier, later };
  }
  const { earlier, later } = closest;
  if (earlier === undefined || earlier === later) return recent;
  return recent.flatMap((known) => {
    if (known === earlier) return [];
    return known === later ? { ...known, amount: earlier.amount + known.amount } : known;
  });
}

/** What is kept of the readings before a new one, newest first. */
function readingsOf(last: OdometerReading | null): OdometerReading['before'] {
  return last === null ? [] : [{ at: last.at, value: last.value }, ...last.before].slice(0, READINGS_BEFORE);
}

/** What is given back of a purchase. A negative `amount` is counted on top of it. */
export interface GivenBack {
  /** Cents in all. */
  readonly amount: bigint;
  /** When its parts were counted, where that was not with the purchase itself. */
  readonly parts?: readonly { readonly at: Date; readonly amount: bigint }[];
  /** What was counted for the purchase until now, cents: tells two purchases of one millisecond apart. */
  readonly counted: bigint;
  /** Nothing of the purchase stands: it no longer counts as one. */
  readonly wholly: boolean;
  /** When it was counted as a purchase, where that was not when it began: it had ended and was opened again. */
  readonly countedSince?: Date;
}

/**
 * Gives back what a reversal frees: each part to the windows in which it was counted (those that had begun by then), to
 * velocity rules, and, where nothing of it stands, the merchant that the card was locked to by it and its odometer reading.
 */
export function giveBack(counters: LimitCounters, purchase: CountedPurchase, given: GivenBack): LimitCounters {
  const parts = given.parts ?? [{ at: purchase.at, amount: given.amount }];
  const since = (given.countedSince ?? purchase.at).getTime();
  const windows = withWindows(counters, ({ start, amount: spent, count, zone }) => {
    const counted = parts.filter((part) => part.at.getTime() >= start);
    const amount = maxBigint(spent - sumBigint(counted.map((part) => part.amount)), 0n);
    return { start, amount, count: given.wholly && since >= start ? Math.max(count - 1, 0) : count, zone };
  });
  return {
    ...windows,
    recent: recentWithout(counters.recent, purchase, given),
    lock: given.wholly ? lockWithout(counters.lock, purchase) : counters.lock,
    odometer: given.wholly
      ? odometerWithout(counters.odometer, [since, ...parts.map((part) => part.at.getTime())])
      : counters.odometer,
  };
}

function recentWithout(
  recent: readonly RecentPurchase[],
  purchase: CountedPurchase,
  given: GivenBack,
): readonly RecentPurchase[] {
  const entries = entriesOf(recent, purchase, given.counted);
  if (entries.length === 0) return recent;
  if (given.wholly) {
    // What it was before it ended and was opened again, and what cleared without it, was given back then, or stays.
    const since = (given.countedSince ?? purchase.at).getTime();
    return recent.filter((known) => known.at < since || !entries.includes(known));
  }
  const taken = takenFrom(entries, given);
  return recent.flatMap((known) => {
    const amount = maxBigint(known.amount - (taken.get(known) ?? 0n), 0n);
    if (amount === known.amount) return known;
    return known.onTop && amount === 0n ? [] : { ...known, amount };
  });
}

/** What is remembered of a purchase: itself, and what came on top of it. */
function entriesOf(
  recent: readonly RecentPurchase[],
  { at, mcc }: CountedPurchase,
  counted: bigint,
): readonly RecentPurchase[] {
  const begunAt = at.getTime();
  const own = recent.filter((known) => known.begunAt === begunAt && known.mcc === mcc);
  const first = own.filter((known) => known.at === begunAt && !known.onTop);
  if (first.length < 2) return own;
  const further = own.filter((known) => !first.includes(known));
  const amount = counted - sumBigint(further.map((known) => known.amount));
  return [...first.filter((known) => known.amount === amount), ...first].slice(0, 1).concat(further);
}

/** From which entries how much is given back: those of its parts, or, where they are not known, what was counted last. */
function takenFrom(entries: readonly RecentPurchase[], given: GivenBack): ReadonlyMap<RecentPurchase, bigint> {
  const taken = new Map<RecentPurchase, bigint>();
  if (given.parts) {
    for (const part of given.parts) {
      const entry = entries.find((known) => known.at === part.at.getTime());
      if (entry) taken.set(entry, (taken.get(entry) ?? 0n) + part.amount);
    }
    return taken;
  }
  let left = given.amount;
  for (const entry of [...entries].reverse()) {
    const share = minBigint(left, entry.amount);
    taken.set(entry, share);
    left -= share;
  }
  return taken;
}

/** What the network let through at another merchant does not keep the card locked to the first. */
function lockWith(lock: MerchantLock | null, { at, merchantId }: CountedPurchase): MerchantLock {
  if (lock === null) return { merchantId, since: at.getTime(), count: 1 };
  return lock.merchantId === merchantId ? { ...lock, count: lock.count + 1 } : lock;
}

function lockWithout(lock: MerchantLock | null, purchase: CountedPurchase): MerchantLock | null {
  if (lock === null || purchase.at.getTime() < lock.since || purchase.merchantId !== lock.merchantId) return lock;
  return lock.count <= 1 ? null : { ...lock, count: lock.count - 1 };
}

/** Without what was typed at these times: the newest of what is left is the last reading. */
function odometerWithout(last: OdometerReading | null, times: readonly number[]): OdometerReading | null {
  if (last === null) return null;
  const [newest, ...before] = [last, ...last.before].filter((reading) => !times.includes(reading.at));
  return newest === undefined ? null : { at: newest.at, value: newest.value, before };
}

export function countersToStored(counters: LimitCounters): StoredLimitCounters {
  const { zone } = counters.day;
  const stored: { -readonly [Field in keyof StoredLimitCounters]: StoredLimitCounters[Field] } = {
    day: windowToStored(counters.day, zone),
    week: windowToStored(counters.week, zone),
    month: windowToStored(counters.month, zone),
    year: windowToStored(counters.year, zone),
    all_time: windowToStored(counters.all_time, zone),
    zone,
  };
  const { recent, lock, odometer } = counters;
  if (recent.length > 0) stored.recent = recentToStored(recent);
  if (lock) stored.lock = lockToStored(lock);
  if (odometer) stored.odometer = odometerToStored(odometer);
  return stored;
}

function windowToStored(window: WindowCount, rowZone: string): StoredWindow {
  const { start, amount, count, zone } = window;
  return zone === rowZone ? [start, amount.toString(), count] : [start, amount.toString(), count, zone];
}

function recentToStored(recent: readonly RecentPurchase[]): NonNullable<StoredLimitCounters['recent']> {
  return recent.map(({ at, amount, mcc, begunAt, onTop }): StoredRecent => {
    if (onTop) return [at, amount.toString(), mcc, begunAt, 1];
    return begunAt === at ? [at, amount.toString(), mcc] : [at, amount.toString(), mcc, begunAt];
  });
}

function lockToStored({ merchantId, since, count }: MerchantLock): NonNullable<StoredLimitCounters['lock']> {
  return [merchantId, since, count];
}

/** What counters remember beside their windows. */
type Memory = Pick<LimitCounters, 'recent' | 'lock' | 'odometer'>;

/** The largest amount that a place of 64 bits holds, cents. */
const KEPT_AMOUNT_MAX = 2n ** 63n - 1n;

const NOTHING_REMEMBERED: Memory = { recent: NOTHING_RECENT, lock: null, odometer: null };

/**
 * Counters that this process has written and keeps: they read as what was stored, made when it is asked for. Their figures
 * are overwritten in place, because windows made anew for every purchase were half of what the collector had to carry along.
 */
class KeptCounters implements StoredLimitCounters {
  private readonly starts = new Float64Array(WINDOW_KINDS.length);
  private readonly amounts = new BigInt64Array(WINDOW_KINDS.length);
  private readonly counts = new Float64Array(WINDOW_KINDS.length);
  /** By window, in the order of `WINDOW_KINDS`. */
  private zones: readonly string[] = [];
  private memory = NOTHING_REMEMBERED;

  write(counters: LimitCounters): void {
    const { day, week, month, year, all_time, recent, lock, odometer } = counters;
    this.writeWindow(0, day);
    this.writeWindow(1, week);
    this.writeWindow(2, month);
    this.writeWindow(3, year);
    this.writeWindow(4, all_time);
    const { zones } = this;
    // They hardly ever change, and a list made anew is one more thing to carry.
    if (
      zones[0] !== day.zone ||
      zones[1] !== week.zone ||
      zones[2] !== month.zone ||
      zones[3] !== year.zone ||
      zones[4] !== all_time.zone
    ) {
      this.zones = [day.zone, week.zone, month.zone, year.zone, all_time.zone];
    }
    const nothing = recent.length === 0 && lock === null && odometer === null;
    this.memory = nothing ? NOTHING_REMEMBERED : { recent, lock, odometer };
  }

  read(): LimitCounters {
    const { recent, lock, odometer } = this.memory;
    return {
      day: this.window(0),
      week: this.window(1),
      month: this.window(2),
      year: this.window(3),
      all_time: this.window(4),
      recent,
      lock,
      odometer,
    };
  }

  private writeWindow(index: number, { start, amount, count }: WindowCount): void {
    this.starts[index] = start;
    this.amounts[index] = amount;
    this.counts[index] = count;
  }

  private window(index: number): WindowCount {
    return {
      start: this.starts[index] as number,
      amount: this.amounts[index] as bigint,
      count: this.counts[index] as number,
      zone: this.zones[index] as string,
    };
  }

  get day(): StoredWindow {
    return windowToStored(this.window(0), this.zone);
  }
  get week(): StoredWindow {
    return windowToStored(this.window(1), this.zone);
  }
  get month(): StoredWindow {
    return windowToStored(this.window(2), this.zone);
  }
  get year(): StoredWindow {
    return windowToStored(this.window(3), this.zone);
  }
  get all_time(): StoredWindow {
    return windowToStored(this.window(4), this.zone);
  }
  get zone(): string {
    return this.zones[0] as string;
  }
  get recent(): StoredLimitCounters['recent'] {
    return this.memory.recent.length > 0 ? recentToStored(this.memory.recent) : undefined;
  }
  get lock(): StoredLimitCounters['lock'] {
    return this.memory.lock ? lockToStored(this.memory.lock) : undefined;
  }
  get odometer(): StoredLimitCounters['odometer'] {
    return this.memory.odometer ? odometerToStored(this.memory.odometer) : undefined;
  }
  toJSON(): StoredLimitCounters {
    return countersToStored(this.read());
  }
}

/**
 * {@link countersToStored}, for keeping in the place of `kept`: what was kept by this before takes the new figures and is
 * returned itself, so nobody else may hold on to it. {@link countersNow} reads it without parsing anything.
 */
export function keepCounters(kept: StoredLimitCounters | null, counters: LimitCounters): StoredLimitCounters {
  // Nobody spends so many cents; if somebody does, they are kept as they are stored, and not cut.
  if (WINDOW_KINDS.some((kind) => counters[kind].amount > KEPT_AMOUNT_MAX)) return countersToStored(counters);
  const place = kept instanceof KeptCounters ? kept : new KeptCounters();
  place.write(counters);
  return place;
}

function odometerToStored({ at, value, before }: OdometerReading): StoredOdometer {
  return [at, value.toString(), ...before.flatMap((reading) => [reading.at, reading.value.toString()])];
}
