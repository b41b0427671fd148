/** Windows in which amounts and counts are limited. Weeks begin on Monday (ISO 8601). */
export const WINDOW_KINDS = ['day', 'week', 'month', 'year', 'all_time'] as const;

export type WindowKind = (typeof WINDOW_KINDS)[number];

export type WindowStarts = Readonly<Record<WindowKind, Date>>;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(timeZone, formatter);
  }
  return formatter;
}

/** The wall clock of an instant in a zone, as if it were UTC milliseconds. */
function wallClock(instant: number, timeZone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(instant)) part[type] = Number(value);
  return Date.UTC(
    part.year ?? 0,
    (part.month ?? 1) - 1,
    part.day ?? 1,
    part.hour ?? 0,
    part.minute ?? 0,
    part.second ?? 0,
  );
}

/**
 * The first instant of a calendar day in a zone. Where clocks jump over midnight the day begins at the first instant
 * that exists; where midnight comes twice, at the first of the two.
 */
function startOfDay(year: number, month: number, day: number, timeZone: string): number {
  const wanted = Date.UTC(year, month, day);
  const offsetBefore = wallClock(wanted - DAY_MS, timeZone) - (wanted - DAY_MS);
  const offsetAfter = wallClock(wanted + DAY_MS, timeZone) - (wanted + DAY_MS);
  const candidates = [wanted - offsetBefore, wanted - offsetAfter].sort((a, b) => a - b);
  for (const candidate of candidates) if (wallClock(candidate, timeZone) === wanted) return candidate;
  // Midnight does not exist that day: the clocks jumped over it, and the later offset gives the instant after the jump.
  return wanted - Math.min(offsetBefore, offsetAfter);
}

/** What is known of the calendar day that was asked for last in a zone. */
interface CachedDay {
  readonly from: number;
  readonly until: number;
  /** 1 is Monday. */
  readonly weekday: number;
  /** The clocks do not change that day, so that its time is what has passed of it. */
  readonly steady: boolean;
  readonly starts: WindowStarts;
}

const cache = new Map<string, CachedDay>();

/** When the windows that hold `now` began, in an IANA time zone. */
export function windowStarts(now: Date, timeZone: string): WindowStarts {
  return dayOf(now.getTime(), timeZone).starts;
}

/** A moment of the week as the wall clock of a zone shows it. */
export interface LocalMoment {
  /** 1 is Monday, as in ISO 8601. */
  readonly weekday: number;
  /** Whole minutes since midnight on the clock, 0 to 1439. */
  readonly minute: number;
}

/** What a clock in the zone shows. On days when clocks change it shows an hour twice, or leaves one out. */
export function localMoment(now: Date, timeZone: string): LocalMoment {
  const instant = now.getTime();
  const day = dayOf(instant, timeZone);
  const sinceMidnight = day.steady ? instant - day.from : wallClock(instant, timeZone) % DAY_MS;
  return { weekday: day.weekday, minute: Math.floor(sinceMidnight / MINUTE_MS) };
}

function dayOf(instant: number, timeZone: string): CachedDay {
  const known = cache.get(timeZone);
  if (known && instant >= known.from && instant < known.until) return known;

  const local = new Date(wallClock(instant, timeZone));
  const [year, month, day] = [local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate()];
  const daysSinceMonday = (local.getUTCDay() + 6) % 7;
  const dayStart = startOfDay(year, month, day, timeZone);
  const starts: WindowStarts = {
    day: new Date(dayStart),
    week: new Date(startOfDay(year, month, day - daysSinceMonday, timeZone)),
    month: new Date(startOfDay(year, month, 1, timeZone)),
    year: new Date(startOfDay(year, 0, 1, timeZone)),
    all_time: new Date(0),
  };
  const until = startOfDay(year, month, day + 1, timeZone);
  // A day that is not skipped into, 24 hours long and on its own midnight at its start, has no change of clocks.
  const steady = until - dayStart === DAY_MS && wallClock(dayStart, timeZone) === Date.UTC(year, month, day);
  const fresh = { from: dayStart, until, weekday: daysSinceMonday + 1, steady, starts };
  cache.set(timeZone, fresh);
  return fresh;
}
