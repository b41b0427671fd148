import { type AssetPrice, priceState } from '../../credit/rules/price-state';

/** Prices by asset, as a snapshot has them. */
type Prices = Readonly<Record<string, AssetPrice>>;

/** USD with 8 decimals, or null where nobody may rely on the price: it is disputed, or older than twice its heartbeat. */
export function trustedPrice(asset: string, prices: Prices, now: Date): bigint | null {
  const price = prices[asset];
  const state = priceState(price, now);
  return price !== undefined && (state === 'fresh' || state === 'aging') ? price.priceUsdE8 : null;
}

/** A dollar. */
export const PAR_USD_E8 = 100_000_000n;

/**
 * In which stablecoin, and at what price, a refund is paid that has no purchase to go by: the program's first one whose price can be
 * trusted, or that stands for the dollar, which is a dollar then. Without such a one the first, at the last price known; null where
 * there is none at all.
 */
export function refundCurrency(
  stablecoins: readonly string[],
  prices: Prices,
  isDollar: (asset: string) => boolean,
  now: Date,
): { readonly asset: string; readonly priceUsdE8: bigint } | null {
  for (const asset of stablecoins) {
    const priceUsdE8 = trustedPrice(asset, prices, now) ?? (isDollar(asset) ? PAR_USD_E8 : null);
    if (priceUsdE8 !== null) return { asset, priceUsdE8 };
  }
  const known = stablecoins.flatMap((asset) => prices[asset] ?? [])[0];
  return known === undefined ? null : { asset: known.asset, priceUsdE8: known.priceUsdE8 };
}
