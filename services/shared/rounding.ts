import { invariant } from './assert';

/** `numerator ÷ denominator`, rounded towards zero's side of the number line that is smaller. Both must be ≥ 0. */
export function divideRoundDown(numerator: bigint, denominator: bigint): bigint {
  invariant(
    denominator > 0n && numerator >= 0n,
    'divideRoundDown takes a positive denominator and no negative numerator',
  );
  return numerator / denominator;
}

/** `numerator ÷ denominator`, rounded up to the next whole unit. Both must be ≥ 0. */
export function divideRoundUp(numerator: bigint, denominator: bigint): bigint {
  invariant(
    denominator > 0n && numerator >= 0n,
    'divideRoundUp takes a positive denominator and no negative numerator',
  );
  return (numerator + denominator - 1n) / denominator;
}

/** `amount × basisPoints ÷ 10 000`, rounded down. */
export function basisPointsRoundDown(amount: bigint, basisPoints: number): bigint {
  return divideRoundDown(amount * BigInt(basisPoints), 10_000n);
}

/** `amount × basisPoints ÷ 10 000`, rounded up. */
export function basisPointsRoundUp(amount: bigint, basisPoints: number): bigint {
  return divideRoundUp(amount * BigInt(basisPoints), 10_000n);
}
