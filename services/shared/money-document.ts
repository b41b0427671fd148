import { formatDecimal } from './money';

/** Money as the API and events show it: a decimal string at the asset's exact scale. */
export interface MoneyDocument {
  readonly amount: string;
  readonly asset: string;
}

export function moneyDocument(amount: bigint, asset: string, decimals: number): MoneyDocument {
  return { amount: formatDecimal(amount, decimals), asset };
}

/** Cents of USD. */
export function usdDocument(cents: bigint): MoneyDocument {
  return moneyDocument(cents, 'USD', 2);
}
