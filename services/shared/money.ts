import { err, ok, type Result } from './result';

/** Base units of an asset (cents of USD, 10^-6 of USDC, wei of WETH). Never a float. */
export type BaseUnits = bigint;

/** An amount of one asset. */
export interface Money {
  readonly amount: BaseUnits;
  readonly asset: AssetCode;
}

/** Code of an asset row, e.g. `USD`, `USDC`, `WETH`. */
export type AssetCode = string;

export type AssetKind = 'fiat' | 'stablecoin' | 'crypto';

/** An asset as rules need it. `decimals` is the number of digits after the point of one unit. */
export interface Asset {
  readonly code: AssetCode;
  readonly decimals: number;
  readonly kind: AssetKind;
  /** The currency that a stablecoin stands for. */
  readonly peggedTo?: AssetCode | null;
}

export type DecimalProblem = 'not_a_decimal' | 'negative' | 'surplus_decimals' | 'too_large';

/** Largest amount accepted from outside: fits NUMERIC(78,0) with room for sums. */
export const MAX_BASE_UNITS: bigint = 10n ** 60n;

const DECIMAL = /^(-)?(0|[1-9]\d*)(?:\.(\d+))?$/;

/**
 * Parses a decimal string such as `"12.34"` into base units of an asset with `decimals` digits.
 * Surplus precision is refused, never rounded: `"1.005"` with 2 decimals is `surplus_decimals`.
 */
export function parseDecimal(text: string, decimals: number): Result<BaseUnits, DecimalProblem> {
  if (text.length > 100) return err('too_large');
  const match = DECIMAL.exec(text);
  if (!match) return err('not_a_decimal');
  if (match[1]) return err('negative');
  const fraction = match[3] ?? '';
  if (fraction.length > decimals) return err('surplus_decimals');
  const amount = BigInt((match[2] ?? '0') + fraction.padEnd(decimals, '0'));
  return amount > MAX_BASE_UNITS ? err('too_large') : ok(amount);
}

/** Renders base units as a decimal string with exactly `decimals` digits: `formatDecimal(1234n, 2)` is `"12.34"`. */
export function formatDecimal(amount: BaseUnits, decimals: number): string {
  const negative = amount < 0n;
  const digits = (negative ? -amount : amount).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const text = decimals === 0 ? whole : `${whole}.${digits.slice(digits.length - decimals)}`;
  return negative ? `-${text}` : text;
}

export function minBigint(first: bigint, ...rest: bigint[]): bigint {
  return rest.reduce((least, value) => (value < least ? value : least), first);
}

export function maxBigint(first: bigint, ...rest: bigint[]): bigint {
  return rest.reduce((most, value) => (value > most ? value : most), first);
}

export function sumBigint(values: Iterable<bigint>): bigint {
  let total = 0n;
  for (const value of values) total += value;
  return total;
}
