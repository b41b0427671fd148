import { maxBigint, minBigint } from '../../shared/money';
import { divideRoundUp } from '../../shared/rounding';
import { amountBesideFeeRoundDown, type FeeTerms, feeRoundDown } from './fees';

/** What a purchase holds, what has cleared of it, and the fee that was charged for that. Cents. */
export interface ChargedHold {
  readonly held: bigint;
  readonly cleared: bigint;
  readonly charged: bigint;
}

/** What a reversal takes back of a purchase. Cents. */
export interface ReversedAmount {
  /** What of the purchase is neither cleared nor reversed. */
  readonly outstanding: bigint;
  readonly reversed: bigint;
}

/**
 * Cents of a hold that a reversal frees. Afterwards it is for what is left and for the fee that clearing all of that will bring: an
 * allowance shrinks in proportion, rounded in favour of the hold, and the fixed part of a fee that is yet to be charged does not
 * shrink. What the account did not cover goes first: as long as less is held than what is left needs, nothing is freed.
 */
export function releasedByReversal(
  terms: FeeTerms,
  hold: ChargedHold,
  { outstanding, reversed }: ReversedAmount,
): bigint {
  const { held, cleared, charged } = hold;
  if (reversed >= outstanding) return held;
  const left = outstanding - reversed;
  const purchase = minBigint(held, amountBesideFeeRoundDown(terms, held + cleared + charged) - cleared);
  // What is held is less than the fee alone.
  if (purchase <= 0n) return 0n;
  const ofRest = minBigint(purchase, maxBigint(divideRoundUp(purchase * left, outstanding), left));
  return held - minBigint(held, ofRest + maxBigint(feeRoundDown(terms, cleared + ofRest) - charged, 0n));
}

/**
 * Cents that stay of what was held for the message that a purchase began with, once that is taken back while more of the purchase stands:
 * the fixed part of the fee was held with it, for all that was to come.
 */
export function keptOfFirstHold(terms: FeeTerms, held: bigint, charged: bigint): bigint {
  return charged > 0n ? 0n : minBigint(held, terms.fixed);
}
