/** The newest price of an asset as a decision sees it. */
export interface AssetPrice {
  readonly asset: string;
  readonly priceUsdE8: bigint;
  readonly feed: string;
  readonly roundId: bigint;
  readonly heartbeatSeconds: number;
  readonly disputed: boolean;
  readonly observedAt: Date;
}

/**
 * fresh: within its heartbeat · aging: older (borrow limit × 0.9) · stale: older than twice (no new borrowing on it) ·
 * disputed: sources differ by more than the bound (likewise) · missing: never seen.
 */
export type PriceState = 'fresh' | 'aging' | 'stale' | 'disputed' | 'missing';

export function priceState(price: AssetPrice | undefined, now: Date): PriceState {
  if (!price) return 'missing';
  if (price.disputed) return 'disputed';
  const ageSeconds = (now.getTime() - price.observedAt.getTime()) / 1000;
  if (ageSeconds <= price.heartbeatSeconds) return 'fresh';
  return ageSeconds <= 2 * price.heartbeatSeconds ? 'aging' : 'stale';
}
