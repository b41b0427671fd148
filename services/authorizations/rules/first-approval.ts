import { sumBigint } from '../../shared/money';

/** A leg that was placed for the message that a purchase began with. Base units, `*_usd` cents. */
export interface FirstLeg {
  readonly held_amount: bigint;
  readonly posted_amount: bigint;
  readonly released_amount: bigint;
  readonly posted_usd: bigint;
  readonly refunded_usd: bigint;
}

/**
 * Whether anything is still there of what a purchase was approved for at first: held, or set aside for it and not cleared. A
 * purchase that ended has given all of it back or used it, so where it is open again, what is there is for what opened it.
 */
export function isFirstApprovalLeft(
  legs: readonly FirstLeg[],
  purchase: { readonly reserved_amount: bigint; readonly cleared_amount: bigint },
): boolean {
  if (legs.some((leg) => leg.posted_amount + leg.released_amount < leg.held_amount)) return true;
  const setAside = sumBigint(legs.map((leg) => leg.posted_usd - leg.refunded_usd));
  return purchase.reserved_amount > 0n && setAside > purchase.cleared_amount;
}
