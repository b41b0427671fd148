import {
  countersNow,
  countersToStored,
  type StoredLimitCounters,
  type WindowCount,
} from '../../cards/rules/limit-counters';
import { WINDOW_KINDS, type WindowKind } from '../../cards/rules/limit-windows';
import type { ProgramLimits } from './program-policy';

/** Cents and purchases that stand. */
export interface Spent {
  readonly amount: bigint;
  readonly count: number;
}

/** What the accounts of a program have spent together, as it was summed. */
export interface StoredProgramUsage extends StoredLimitCounters {
  /** The windows that were summed; of the others nothing is known. Left out in rows of before it was kept. */
  readonly kinds?: readonly WindowKind[];
}

/** The windows that some cap is about. */
export function cappedWindows(caps: ProgramLimits): readonly WindowKind[] {
  return WINDOW_KINDS.filter((kind) => caps[`${kind}_amount`] !== undefined || caps[`${kind}_count`] !== undefined);
}

/** Whether what was summed says of every cap how much of it is spent: a cap may be younger than the sum. */
export function answersCaps(usage: StoredProgramUsage | null | undefined, caps: ProgramLimits): boolean {
  if (!usage) return false;
  if (usage.zone !== undefined && usage.zone !== caps.time_zone) return false;
  const { kinds } = usage;
  return kinds === undefined || cappedWindows(caps).every((kind) => kinds.includes(kind));
}

/** What was spent in the windows that some cap is about, in the order of {@link cappedWindows}, as it is stored. */
export function summedUsage(caps: ProgramLimits, spent: readonly Spent[], now: Date): StoredProgramUsage {
  const kinds = cappedWindows(caps);
  const windows = { ...countersNow(null, now, caps.time_zone) } as Record<WindowKind, WindowCount>;
  for (const [index, kind] of kinds.entries()) {
    windows[kind] = { ...windows[kind], ...(spent[index] ?? { amount: 0n, count: 0 }) };
  }
  return { ...countersToStored({ ...windows, recent: [], lock: null, odometer: null }), kinds, at: now.getTime() };
}

/** Nothing is known, as usage that was summed too long ago says too little: caps refuse on it. */
export function unknownUsage(caps: ProgramLimits, now: Date): StoredProgramUsage {
  return { ...summedUsage(caps, [], now), at: 0 };
}

/** Cents and purchases, spent until an instant (milliseconds since 1970). */
export interface SpentUntil extends Spent {
  readonly until: number;
}

/** What was summed, and what is known to have been spent since. */
export function usageWith(
  usage: StoredProgramUsage,
  since: readonly SpentUntil[],
  now: Date,
  caps: ProgramLimits,
): StoredProgramUsage {
  if (since.length === 0) return usage;
  const windows = { ...countersNow(usage, now, caps.time_zone) } as Record<WindowKind, WindowCount>;
  for (const kind of WINDOW_KINDS) {
    let { amount, count } = windows[kind];
    const { start } = windows[kind];
    for (const spent of since) {
      if (spent.until < start) continue;
      amount += spent.amount;
      count += spent.count;
    }
    windows[kind] = { ...windows[kind], amount, count };
  }
  const { kinds, at } = usage;
  return {
    ...countersToStored({ ...windows, recent: [], lock: null, odometer: null }),
    ...(kinds === undefined ? {} : { kinds }),
    ...(at === undefined ? {} : { at }),
  };
}
