import { maxBigint } from '../../shared/money';
import { WINDOW_KINDS, type WindowKind, type WindowStarts } from './limit-windows';

/** What one scope has spent in one window. Amount in cents. */
export interface WindowCount {
  readonly start: Date;
  readonly amount: bigint;
  readonly count: number;
}

export type LimitCounters = Readonly<Record<WindowKind, WindowCount>>;

/** As stored in `limit_counters.windows`: instants in ISO 8601, amounts as strings of cents. */
export type StoredLimitCounters = Readonly<
  Record<WindowKind, { readonly start: string; readonly amount: string; readonly count: number }>
>;

/** The counters as they stand in the windows that are open now: a window that has begun since starts from nothing. */
export function countersNow(stored: StoredLimitCounters | null, starts: WindowStarts): LimitCounters {
  const counters = {} as Record<WindowKind, WindowCount>;
  for (const kind of WINDOW_KINDS) {
    const start = starts[kind];
    const known = stored?.[kind];
    counters[kind] =
      known && new Date(known.start).getTime() >= start.getTime()
        ? { start: new Date(known.start), amount: BigInt(known.amount), count: known.count }
        : { start, amount: 0n, count: 0 };
  }
  return counters;
}

/** Counts one more authorization of `amount` cents in every window. */
export function countAuthorization(counters: LimitCounters, amount: bigint): LimitCounters {
  const next = {} as Record<WindowKind, WindowCount>;
  for (const kind of WINDOW_KINDS) {
    const { start, amount: spent, count } = counters[kind];
    next[kind] = { start, amount: spent + amount, count: count + 1 };
  }
  return next;
}

/**
 * Gives back what a reversal frees, only to the windows in which the authorization was counted: `countedIn` are the
 * window starts at the time of the authorization. `wholly`: the authorization no longer counts as one.
 */
export function giveBack(
  counters: LimitCounters,
  countedIn: WindowStarts,
  amount: bigint,
  wholly: boolean,
): LimitCounters {
  const next = {} as Record<WindowKind, WindowCount>;
  for (const kind of WINDOW_KINDS) {
    const { start, amount: spent, count } = counters[kind];
    const sameWindow = start.getTime() === countedIn[kind].getTime();
    next[kind] = sameWindow
      ? { start, amount: maxBigint(spent - amount, 0n), count: wholly ? Math.max(count - 1, 0) : count }
      : counters[kind];
  }
  return next;
}

export function countersToStored(counters: LimitCounters): StoredLimitCounters {
  const stored = {} as Record<WindowKind, { start: string; amount: string; count: number }>;
  for (const kind of WINDOW_KINDS) {
    const { start, amount, count } = counters[kind];
    stored[kind] = { start: start.toISOString(), amount: amount.toString(), count };
  }
  return stored;
}
