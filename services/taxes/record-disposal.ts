import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { disposeFirstInFirstOut } from './rules/first-in-first-out';
import { disposalExists, insertDisposals, lockOpenLots, takeFromLot } from './tax.repository';

export interface Disposal {
  readonly organizationId: string;
  readonly accountId: string;
  readonly asset: string;
  readonly decimals: number;
  /** Base units. */
  readonly quantity: bigint;
  /** Cents received for it, before the fee, and the fee. */
  readonly proceedsUsd: bigint;
  readonly feeUsd: bigint;
  readonly priceSource: string;
  readonly source: 'sale' | 'repayment';
  readonly sourceId: string;
  readonly disposedAt: Date;
}

/**
 * Writes what a disposal took from the account's lots, first in first out. Call it under the account's lock. The same source
 * again changes nothing.
 */
export async function recordDisposal(trx: Transaction, disposal: Disposal): Promise<void> {
  const { organizationId, accountId, asset } = disposal;
  if (await disposalExists(trx, organizationId, disposal.source, disposal.sourceId)) return;
  const lots = await lockOpenLots(trx, organizationId, accountId, asset);
  const parts = disposeFirstInFirstOut(
    lots.map((lot) => ({ lotId: lot.id, remaining: lot.remaining, basisPriceUsdE8: lot.basis_price_usd_e8 })),
    disposal,
  );
  for (const part of parts) {
    if (part.lotId !== null) await takeFromLot(trx, organizationId, part.lotId, part.quantity);
  }
  await insertDisposals(
    trx,
    parts.map((part, ordinal) => ({
      organization_id: organizationId,
      id: newId(),
      account_id: accountId,
      asset,
      lot_id: part.lotId,
      quantity: part.quantity,
      basis_usd: part.basisUsd,
      proceeds_usd: part.proceedsUsd,
      fee_usd: part.feeUsd,
      price_source: disposal.priceSource,
      source: disposal.source,
      source_id: disposal.sourceId,
      ordinal,
      disposed_at: disposal.disposedAt,
    })),
  );
}
