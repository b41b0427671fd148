import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { insertLot } from './tax.repository';

export interface Acquisition {
  readonly organizationId: string;
  readonly accountId: string;
  readonly asset: string;
  /** Base units. */
  readonly quantity: bigint;
  /** Price per whole unit when it was received, USD with 8 decimals. */
  readonly priceUsdE8: bigint;
  /** Feed and round of the price, e.g. `0x…:18446744073709551617`. */
  readonly priceSource: string;
  readonly source: 'deposit' | 'refund' | 'yield';
  readonly sourceId: string;
  readonly acquiredAt: Date;
}

/** Opens a tax lot: basis at receipt. The same source again changes nothing. */
export async function recordAcquisition(trx: Transaction, acquisition: Acquisition): Promise<void> {
  await insertLot(trx, {
    organization_id: acquisition.organizationId,
    id: newId(),
    account_id: acquisition.accountId,
    asset: acquisition.asset,
    quantity: acquisition.quantity,
    remaining: acquisition.quantity,
    basis_price_usd_e8: acquisition.priceUsdE8,
    price_source: acquisition.priceSource,
    source: acquisition.source,
    source_id: acquisition.sourceId,
    acquired_at: acquisition.acquiredAt,
  });
}
