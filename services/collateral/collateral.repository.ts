import type { Transaction } from '../database/transaction';
import type { ChainOrderState } from '../funding/rules/chain-order-state';

/** A row of `collateral_operations`; `amount` in base units of `asset`. The hold's transfer has the operation's id. */
export interface CollateralOperationRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly kind: 'pledge' | 'release';
  readonly asset: string;
  readonly amount: bigint;
  readonly state: ChainOrderState;
  readonly transaction_hash: string | null;
  readonly failure: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function insertOperation(
  trx: Transaction,
  row: Pick<CollateralOperationRow, 'organization_id' | 'id' | 'account_id' | 'kind' | 'asset' | 'amount'>,
): Promise<CollateralOperationRow> {
  const rows = await trx('collateral_operations')
    .insert({ ...row, amount: row.amount.toString(), state: 'requested' })
    .returning<CollateralOperationRow[]>('*');
  const inserted = rows[0];
  if (inserted === undefined) throw new Error('the new collateral operation was not returned');
  return inserted;
}

export async function findOperation(
  trx: Transaction,
  organizationId: string,
  operationId: string,
): Promise<CollateralOperationRow | undefined> {
  return trx<CollateralOperationRow>('collateral_operations')
    .where({ organization_id: organizationId, id: operationId })
    .first();
}

export async function lockOperation(
  trx: Transaction,
  organizationId: string,
  operationId: string,
): Promise<CollateralOperationRow | undefined> {
  return trx<CollateralOperationRow>('collateral_operations')
    .where({ organization_id: organizationId, id: operationId })
    .forUpdate()
    .first();
}

export async function updateOperation(
  trx: Transaction,
  organizationId: string,
  operationId: string,
  change: Partial<Pick<CollateralOperationRow, 'state' | 'transaction_hash' | 'failure'>>,
): Promise<void> {
  await trx('collateral_operations')
    .where({ organization_id: organizationId, id: operationId })
    .update({ ...change, updated_at: trx.fn.now() });
}

/** Whether another pledge or release of the account is on its way to the chain: only one is, so that yield can be told from amounts. */
export async function hasOtherInFlight(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  exceptId: string,
): Promise<boolean> {
  const row = await trx('collateral_operations')
    .where({ organization_id: organizationId, account_id: accountId, state: 'submitted' })
    .whereNot('id', exceptId)
    .first('id');
  return row !== undefined;
}
