import type { Page, PageRequest } from '../database/page';
import { findPage, findRow } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { CollateralOperationRow } from './collateral.repository';

export type { CollateralOperationRow };

/** Pledges and releases of the organization, newest first. */
export async function listCollateralOperations(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId?: string | undefined;
    readonly state?: CollateralOperationRow['state'] | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<CollateralOperationRow>> {
  const { organizationId, accountId, state, page } = input;
  return findPage<CollateralOperationRow>(trx, 'collateral_operations', organizationId, page, {
    where: { account_id: accountId, state },
  });
}

/** One pledge or release, or `not_found`. */
export async function showCollateralOperation(
  trx: Transaction,
  input: { readonly organizationId: string; readonly operationId: string },
): Promise<Result<CollateralOperationRow, Refusal>> {
  const row = await findRow<CollateralOperationRow>(
    trx,
    'collateral_operations',
    input.organizationId,
    input.operationId,
  );
  return row === undefined ? err(refusal('not_found', 'there is no collateral operation with this id')) : ok(row);
}
