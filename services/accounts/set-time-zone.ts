import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AccountRow, lockAccount, updateTimeZone } from './account.repository';

/**
 * Sets where the account's days begin and by which clock its hours are told. A limit's window that is open goes on to its
 * end in the zone it began in, so that moving gives no new allowance.
 */
export async function setTimeZone(
  trx: Transaction,
  input: { readonly organizationId: string; readonly accountId: string; readonly timeZone: string },
): Promise<Result<AccountRow, Refusal>> {
  const { organizationId, accountId, timeZone } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id'));
  if (account.state === 'closed') return err(refusal('account_not_active', 'the account is closed'));
  if (account.time_zone === timeZone) return ok(account);
  const changed = await updateTimeZone(trx, organizationId, accountId, timeZone);
  await appendEvent(trx, {
    organizationId,
    type: 'account.time_zone_changed',
    resourceKind: 'account',
    resourceId: accountId,
    data: { time_zone: timeZone },
  });
  return ok(changed);
}
