import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';

/** A purchase, or a card transaction that no purchase of ours went before. */
export type FollowedPurchase =
  | { readonly organizationId: string; readonly authorizationId: string }
  | { readonly organizationId: string; readonly cardTransactionId: string };

/** Has the workflow that follows a purchase look at it again, or starts it. */
export async function wakeAuthorization(trx: Transaction, followed: FollowedPurchase): Promise<void> {
  const id = 'authorizationId' in followed ? followed.authorizationId : followed.cardTransactionId;
  await appendCommand(trx, {
    organizationId: followed.organizationId,
    workflowType: 'spendAuthorization',
    workflowId: `authorization:${id}`,
    signal: 'cardEvent',
    payload: followed,
  });
}
