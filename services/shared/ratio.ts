import BigNumber from 'bignumber.js';

/**
 * The one configured BigNumber for ratios, rates and display. Money itself is bigint; a ratio never becomes money
 * without a rounding direction in the name of the function that turns it.
 */
const Ratio = BigNumber.clone({ DECIMAL_PLACES: 40, ROUNDING_MODE: BigNumber.ROUND_DOWN, EXPONENTIAL_AT: 1e9 });

/** A decimal string with `places` digits, rounded down, for showing a ratio such as LTV or health. */
export function ratioText(numerator: bigint, denominator: bigint, places = 4): string {
  return new Ratio(numerator.toString()).div(denominator.toString()).toFixed(places, BigNumber.ROUND_DOWN);
}
