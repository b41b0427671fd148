import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { type AccountRow, type AccountState, findAccounts } from './account.repository';

/** Accounts of the organization, newest first, without their balances. */
export async function listAccounts(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly programId?: string | undefined;
    readonly cardholderId?: string | undefined;
    readonly state?: AccountState | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<AccountRow>> {
  const { organizationId, page, ...filter } = input;
  return findAccounts(trx, organizationId, page, filter);
}
