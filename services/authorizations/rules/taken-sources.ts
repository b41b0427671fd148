import type { SourceTaken } from '../../funding/rules/plan-funding';

/** A leg of a purchase. Cents. */
export interface LegOfPurchase {
  readonly kind: SourceTaken['kind'] | 'refund';
  readonly asset: string;
  /** Null: it was made for a clearing that no hold covered. */
  readonly hold_transfer_id: string | null;
  readonly held_usd: bigint;
  readonly posted_usd: bigint;
  readonly released_usd: bigint;
  readonly refunded_usd: bigint;
}

/**
 * What a purchase has of each source: held, set aside or cleared, less what was released or given back of it. Tokens that were taken
 * later for what was overdue are not counted, as no ceiling was asked about them; what was overdue is.
 */
export function takenSources(legs: readonly LegOfPurchase[]): readonly SourceTaken[] {
  const sums = new Map<string, SourceTaken>();
  for (const leg of legs) {
    const { kind, asset } = leg;
    if (kind === 'refund' || (kind === 'overdue' && asset !== 'USD')) continue;
    const given = leg.released_usd + leg.refunded_usd;
    const amountUsd = (leg.hold_transfer_id === null ? leg.posted_usd : leg.held_usd) - given;
    const key = `${kind} ${asset}`;
    sums.set(key, { kind, asset, amountUsd: (sums.get(key)?.amountUsd ?? 0n) + amountUsd });
  }
  return [...sums.values()].filter(({ amountUsd }) => amountUsd > 0n);
}
