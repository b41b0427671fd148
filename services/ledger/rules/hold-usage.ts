import { err, ok, type Result } from '../../shared/result';

/** A hold and what has already left it, base units. */
export interface HoldUsage {
  readonly held: bigint;
  /** Σ of posts, voids and expiries that name the hold. */
  readonly used: bigint;
}

/** What is still held after another `amount` is posted or given up; refused when that is more than is left. */
export function takeFromHold(usage: HoldUsage, amount: bigint): Result<HoldUsage, 'hold_exceeded'> {
  const used = usage.used + amount;
  return used > usage.held ? err('hold_exceeded') : ok({ held: usage.held, used });
}
