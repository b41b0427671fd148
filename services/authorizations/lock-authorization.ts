import { type AccountRow, lockAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import { type AuthorizationRow, findAuthorization } from './authorization.repository';

/** An authorization as it stands once its account is locked, or null where there is none. */
export async function lockAuthorization(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<{ readonly account: AccountRow; readonly authorization: AuthorizationRow } | null> {
  const found = await findAuthorization(trx, organizationId, authorizationId);
  if (found === null) return null;
  const account = required(await lockAccount(trx, organizationId, found.account_id), 'the account of an authorization');
  // Read again: it may have changed while the lock was waited for.
  const authorization = required(await findAuthorization(trx, organizationId, authorizationId), 'the authorization');
  return { account, authorization };
}
