import { invariant } from '../../shared/assert';
import { maxBigint, minBigint, sumBigint } from '../../shared/money';
import { divideRoundDown, divideRoundUp } from '../../shared/rounding';
import { owedRoundUp, RAY } from './loan-to-value';

const SECONDS_PER_YEAR = 31_536_000n;

/** Venue index × spread factor, ray, rounded up: what one share owes. */
export function programIndexRoundUp(venueIndexRay: bigint, spreadFactorRay: bigint): bigint {
  return divideRoundUp(venueIndexRay * spreadFactorRay, RAY);
}

/**
 * The spread factor after `seconds` more at a yearly spread, ray, rounded up. Compounds at each call and is linear between
 * two, so that whenever it is stored in between, the result never falls. Time that runs backwards adds nothing.
 */
export function grownSpreadFactorRoundUp(spreadFactorRay: bigint, spreadBps: number, seconds: bigint): bigint {
  if (seconds <= 0n) return spreadFactorRay;
  return spreadFactorRay + divideRoundUp(spreadFactorRay * BigInt(spreadBps) * seconds, 10_000n * SECONDS_PER_YEAR);
}

/** Shares that start when `amount` is drawn at an index: rounded up, so that they never owe less than was drawn. */
export function drawSharesRoundUp(amount: bigint, programIndexRay: bigint): bigint {
  return divideRoundUp(amount * RAY, programIndexRay);
}

/**
 * Debt in the venue's own rounding: its shares times its index, half a unit up. Source: WadRayMath.rayMul of
 * `@aave/core-v3` 1.19.3, as VariableDebtToken.balanceOf uses it.
 */
export function venueBalanceHalfUp(scaledBalance: bigint, venueIndexRay: bigint): bigint {
  return (scaledBalance * venueIndexRay + RAY / 2n) / RAY;
}

/** One draw as the accrual and a repayment need it. Amounts are base units of the borrowed asset. */
export interface DrawDebt {
  readonly drawId: string;
  readonly shares: bigint;
  /** Confirmed principal that is not repaid. */
  readonly principalOpen: bigint;
  /** Posted interest that is not repaid. */
  readonly interestOpen: bigint;
}

/** What a draw owes by its shares, and how much of it no ledger entry says yet. */
export interface DrawAccrual {
  readonly drawId: string;
  /** Interest to be posted: what shares owe less what is posted, ≥ 0. */
  readonly interest: bigint;
  /** The part of `interest` that the venue takes; the rest is ours. */
  readonly venuePart: bigint;
}

export interface AccrualPlan {
  readonly draws: readonly DrawAccrual[];
  /** Interest of the venue that no cardholder owes (after a refund gave interest back): at our cost. */
  readonly expense: bigint;
}

/**
 * Splits the interest that arose since the last posting. `venueInterest` is the chain's debt less the ledger's, both before the
 * operation at hand. It is divided over the draws in proportion to their interest, to the unit.
 */
export function planAccrual(draws: readonly DrawDebt[], programIndexRay: bigint, venueInterest: bigint): AccrualPlan {
  invariant(venueInterest >= 0n, 'the venue never owes interest');
  const interests = draws.map((draw) =>
    maxBigint(owedRoundUp(draw.shares, programIndexRay) - draw.principalOpen - draw.interestOpen, 0n),
  );
  const total = sumBigint(interests);
  const carried = minBigint(venueInterest, total);
  let sumBefore = 0n;
  const accruals = draws.map((draw, position) => {
    const interest = interests[position] ?? 0n;
    const sumAfter = sumBefore + interest;
    const venuePart =
      total === 0n ? 0n : divideRoundDown(carried * sumAfter, total) - divideRoundDown(carried * sumBefore, total);
    sumBefore = sumAfter;
    return { drawId: draw.drawId, interest, venuePart };
  });
  return { draws: accruals, expense: venueInterest - carried };
}

/** How much of a repayment goes to one draw. */
export interface RepaymentPart {
  readonly drawId: string;
  readonly interest: bigint;
  readonly principal: bigint;
}

/**
 * Divides `amount` over draws in the order given (oldest first), each draw's interest before its principal. `draws` carry the interest
 * of the same moment. What is left over when nothing is owed any more is returned as `unused`.
 */
export function allocateRepayment(
  draws: readonly Pick<DrawDebt, 'drawId' | 'principalOpen' | 'interestOpen'>[],
  amount: bigint,
): { readonly parts: readonly RepaymentPart[]; readonly unused: bigint } {
  let unused = amount;
  const parts: RepaymentPart[] = [];
  for (const draw of draws) {
    const interest = minBigint(unused, draw.interestOpen);
    unused -= interest;
    const principal = minBigint(unused, draw.principalOpen);
    unused -= principal;
    if (interest + principal > 0n) parts.push({ drawId: draw.drawId, interest, principal });
  }
  return { parts, unused };
}

/** Shares that still owe `open` at an index; never more than there were, none when nothing is owed. */
export function remainingSharesRoundUp(sharesBefore: bigint, open: bigint, programIndexRay: bigint): bigint {
  return open === 0n ? 0n : minBigint(sharesBefore, drawSharesRoundUp(open, programIndexRay));
}

/** A yearly rate in ray as basis points, rounded up: what a cardholder is shown is never less than what is charged. */
export function rateBpsRoundUp(rateRay: bigint): number {
  return Number(divideRoundUp(rateRay * 10_000n, RAY));
}
