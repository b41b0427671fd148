import type { Transaction } from '../database/transaction';
import type { AuthorizationRow } from './authorization.repository';
import { type CardEventContext, purchaseKeyOf } from './card-event-context';
import { changesSince } from './order-of-messages.repository';
import { standingOf, stillDue } from './rules/amendment';
import { dueSince } from './rules/order-of-messages';

/**
 * What of a purchase may still be cleared because it was approved after the moment that an event tells of, cents: the event takes nothing
 * of it back, however late it is delivered.
 */
export async function dueSinceEvent(
  trx: Transaction,
  context: CardEventContext,
  authorization: AuthorizationRow,
): Promise<bigint> {
  const due = stillDue(standingOf(authorization));
  if (due === 0n) return 0n;
  const { advised_at: advisedAt } = authorization;
  // A later total, also one that the purchase began with, says all that may still be cleared.
  if (advisedAt !== null && context.event.effectiveAt < advisedAt) return due;
  const changes = await changesSince(trx, purchaseKeyOf(context, authorization.id), context.event.effectiveAt);
  return dueSince(changes, due);
}
