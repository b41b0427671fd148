import type { Page, PageRequest } from '../database/page';
import { findPage, findRow } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { DepositRow } from './deposit.repository';

export type { DepositRow };

/** Deposits of the organization, newest first. */
export async function listDeposits(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId?: string | undefined;
    readonly state?: DepositRow['state'] | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<DepositRow>> {
  const { organizationId, accountId, state, page } = input;
  return findPage<DepositRow>(trx, 'deposits', organizationId, page, { where: { account_id: accountId, state } });
}

/** One deposit, or `not_found`. */
export async function showDeposit(
  trx: Transaction,
  input: { readonly organizationId: string; readonly depositId: string },
): Promise<Result<DepositRow, Refusal>> {
  const row = await findRow<DepositRow>(trx, 'deposits', input.organizationId, input.depositId);
  return row === undefined ? err(refusal('not_found', 'there is no deposit with this id')) : ok(row);
}
