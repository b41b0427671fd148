import type { Transaction } from '../database/transaction';
import { findOverdueParts } from '../funding/funding.repository';
import { outstandingOverdue } from '../funding/rules/outstanding-overdue';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { usdDocument } from '../shared/money-document';
import { findAccount } from './account.repository';

/**
 * Tells the fintech that more is overdue on an account (spending stops), or that nothing is any more (it resumes). To be called
 * under the account's lock, after its overdue amount was changed by `changeUsd` cents and before what is paid is marked so.
 */
export async function announceOverdue(
  trx: Transaction,
  input: { readonly organizationId: string; readonly accountId: string; readonly changeUsd: bigint },
): Promise<void> {
  const { organizationId, accountId, changeUsd } = input;
  if (changeUsd === 0n) return;
  const account = required(await findAccount(trx, organizationId, accountId), 'an account with something overdue');
  const { overdue_amount: overdueUsd } = account;
  if (changeUsd < 0n && overdueUsd > 0n) return;
  const parts = outstandingOverdue(await findOverdueParts(trx, organizationId, accountId), overdueUsd);
  await appendEvent(trx, {
    organizationId,
    type: overdueUsd > 0n ? 'account.overdue' : 'account.overdue_cleared',
    resourceKind: 'account',
    resourceId: accountId,
    data: {
      overdue: usdDocument(overdueUsd),
      change: usdDocument(changeUsd),
      since: parts[0]?.since.toISOString() ?? null,
      transactions: parts.map((part) => ({
        transaction_id: formatId('cardTransaction', part.cardTransactionId),
        amount: usdDocument(part.amountUsd),
      })),
    },
  });
}
