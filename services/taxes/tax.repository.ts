import type { Transaction } from '../database/transaction';

export interface TaxLotRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly asset: string;
  readonly quantity: bigint;
  readonly remaining: bigint;
  readonly basis_price_usd_e8: bigint;
  readonly price_source: string;
  readonly source: string;
  readonly source_id: string;
  readonly acquired_at: Date;
}

export interface TaxDisposalRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly asset: string;
  readonly lot_id: string | null;
  readonly quantity: bigint;
  readonly basis_usd: bigint;
  readonly proceeds_usd: bigint;
  readonly fee_usd: bigint;
  readonly price_source: string;
  readonly source: string;
  readonly source_id: string;
  readonly ordinal: number;
  readonly disposed_at: Date;
}

/** Returns whether it was new. */
export async function insertLot(trx: Transaction, row: TaxLotRow): Promise<boolean> {
  const rows = await trx('tax_lots')
    .insert({
      ...row,
      quantity: row.quantity.toString(),
      remaining: row.remaining.toString(),
      basis_price_usd_e8: row.basis_price_usd_e8.toString(),
    })
    .onConflict(['organization_id', 'source', 'source_id'])
    .ignore()
    .returning('id');
  return rows.length > 0;
}

/** Lots with something left, oldest first, locked until the transaction ends. */
export async function lockOpenLots(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  asset: string,
): Promise<TaxLotRow[]> {
  return trx<TaxLotRow>('tax_lots')
    .where({ organization_id: organizationId, account_id: accountId, asset })
    .andWhere('remaining', '>', 0)
    .orderBy([{ column: 'acquired_at' }, { column: 'id' }])
    .forUpdate();
}

export async function takeFromLot(
  trx: Transaction,
  organizationId: string,
  lotId: string,
  quantity: bigint,
): Promise<void> {
  await trx('tax_lots')
    .where({ organization_id: organizationId, id: lotId })
    .update({ remaining: trx.raw('remaining - ?::numeric', [quantity.toString()]) });
}

export async function disposalExists(
  trx: Transaction,
  organizationId: string,
  source: string,
  sourceId: string,
): Promise<boolean> {
  const row = await trx<TaxDisposalRow>('tax_disposals')
    .where({ organization_id: organizationId, source, source_id: sourceId })
    .first('id');
  return row !== undefined;
}

export async function insertDisposals(trx: Transaction, rows: readonly TaxDisposalRow[]): Promise<void> {
  await trx('tax_disposals').insert(
    rows.map((row) => ({
      ...row,
      quantity: row.quantity.toString(),
      basis_usd: row.basis_usd.toString(),
      proceeds_usd: row.proceeds_usd.toString(),
      fee_usd: row.fee_usd.toString(),
    })),
  );
}
