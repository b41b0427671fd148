import { maxBigint, minBigint } from '../../shared/money';

/** What one message made of a purchase, at the moment that the network gives it. Cents. */
export type DatedChange = { readonly at: Date } & (
  | { readonly kind: 'more'; readonly amount: bigint }
  | { readonly kind: 'less'; readonly amount: bigint }
  /** `final`: no further clearing follows. */
  | { readonly kind: 'cleared'; readonly amount: bigint; readonly final: boolean }
  /** What the purchase comes to, whatever was said before. */
  | { readonly kind: 'total'; readonly amount: bigint }
  | { readonly kind: 'ended' }
);

/** What of a purchase is cleared, and what may still be, at one moment. Cents. */
export interface Due {
  readonly cleared: bigint;
  readonly due: bigint;
}

/** What becomes of a purchase by what is said of it afterwards, oldest first. */
export function dueAfter(before: Due, changes: readonly DatedChange[]): Due {
  return changes.reduce(changed, before);
}

function changed({ cleared, due }: Due, change: DatedChange): Due {
  switch (change.kind) {
    case 'more':
      return { cleared, due: due + change.amount };
    case 'less':
      return { cleared, due: maxBigint(due - change.amount, 0n) };
    case 'cleared':
      return { cleared: cleared + change.amount, due: change.final ? 0n : maxBigint(due - change.amount, 0n) };
    case 'total':
      return { cleared, due: maxBigint(change.amount - cleared, 0n) };
    case 'ended':
      return { cleared, due: 0n };
  }
}

/**
 * What of a purchase was approved after a moment and may still be cleared, `dueNow` being all that may: what a message of that moment takes
 * back is at most the rest.
 */
export function dueSince(changes: readonly DatedChange[], dueNow: bigint): bigint {
  return minBigint(dueAfter({ cleared: 0n, due: 0n }, changes).due, dueNow);
}

/**
 * What a purchase comes to now, by a message that says what it came to at an earlier moment and by all that was said of later ones.
 * `cleared` is what is cleared by now.
 */
export function totalNow(told: bigint, cleared: bigint, changes: readonly DatedChange[]): bigint {
  const clearedSince = dueAfter({ cleared: 0n, due: 0n }, changes).cleared;
  const clearedThen = maxBigint(cleared - clearedSince, 0n);
  return cleared + dueAfter({ cleared: clearedThen, due: maxBigint(told - clearedThen, 0n) }, changes).due;
}
