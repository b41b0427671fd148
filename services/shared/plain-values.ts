import { invariant } from './assert';

const BIGINT = '$bigint';
const DATE = '$date';

/** `value` as JSON can carry it: bigints and dates, which it cannot, become objects that {@link fromPlain} knows. */
export function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return { [BIGINT]: value.toString() };
  if (value instanceof Date) return { [DATE]: value.toISOString() };
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null) return value;
  invariant(!(BIGINT in value) && !(DATE in value), 'a value that looks like a bigint or a date');
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toPlain(each)]));
}

/** What {@link toPlain} was given. */
export function fromPlain(plain: unknown): unknown {
  if (Array.isArray(plain)) return plain.map(fromPlain);
  if (typeof plain !== 'object' || plain === null) return plain;
  if (BIGINT in plain) return BigInt(String(plain[BIGINT]));
  if (DATE in plain) return new Date(String(plain[DATE]));
  return Object.fromEntries(Object.entries(plain).map(([key, each]) => [key, fromPlain(each)]));
}
