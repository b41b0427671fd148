/** Decimal text such as `"12.5"` as base units with `decimals` digits, or null when it is not one that fits exactly. */
export function toBaseUnits(text: string, decimals: number): bigint | null {
  const match = /^(0|[1-9]\d{0,17})(?:\.(\d{1,18}))?$/.exec(text);
  if (match === null) return null;
  const fraction = match[2] ?? '';
  if (fraction.length > decimals && !/^0*$/.test(fraction.slice(decimals))) return null;
  return BigInt((match[1] ?? '0') + fraction.slice(0, decimals).padEnd(decimals, '0'));
}

/** Base units as a decimal string with all its digits, with a leading minus when negative. */
export function toDecimal(amount: bigint, decimals: number): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(decimals + 1, '0');
  const point = digits.length - decimals;
  return `${amount < 0n ? '-' : ''}${digits.slice(0, point)}${decimals === 0 ? '' : `.${digits.slice(point)}`}`;
}
