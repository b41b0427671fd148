import type { PurchaseStanding } from './amendment';
import { amendmentOf } from './amendment';
import type { Decision } from './decide-authorization';

/** When a message was asked, and until when its answer was waited for. */
export interface MessageTimes {
  readonly occurredAt: Date;
  readonly respondBy: Date;
  /** When the network last told what the purchase has come to; null: never. */
  readonly advisedAt: Date | null;
}

/** `overtaken`: a total that was told since has the message in it. `time_passed`: nobody waits for the answer any more. */
export type Lateness = 'overtaken' | 'time_passed';

/** Why a message on a known purchase is not decided any more; null: it is. */
export function latenessOf({ occurredAt, respondBy, advisedAt }: MessageTimes, now: Date): Lateness | null {
  if (advisedAt !== null && occurredAt < advisedAt) return 'overtaken';
  return now > respondBy ? 'time_passed' : null;
}

/** A message that says what a purchase has come to, and the purchase as it stood. Cents. */
export interface ToldTotal {
  readonly standing: PurchaseStanding;
  readonly told: bigint;
}

/** What a told total gives back of a purchase; 0 where it is the same, null where it is more: that is decided like any more. */
export function givenBackBy({ standing, told }: ToldTotal): bigint | null {
  const { more } = amendmentOf(standing, told, 'total');
  return more > 0n ? null : -more;
}

const HOLDS_NOTHING: Omit<Decision, 'outcome' | 'reason'> = {
  refusedBy: null,
  approvedAmount: 0n,
  holdAmount: 0n,
  feeAmount: 0n,
  legs: [],
  options: [],
  largestAmount: 0n,
  balance: null,
  expiresAt: null,
  counters: null,
};

/** The answer to what came too late to be decided. */
export const TOO_LATE: Decision = { ...HOLDS_NOTHING, outcome: 'declined', reason: 'late' };

/** The answer to more for a purchase that is over. */
export const PURCHASE_ENDED: Decision = { ...HOLDS_NOTHING, outcome: 'declined', reason: 'purchase_ended' };

/** The answer to a total that is no more than before: nothing is asked for, so that nothing can refuse it. */
export const NOTHING_MORE: Decision = { ...HOLDS_NOTHING, outcome: 'approved', reason: null };
