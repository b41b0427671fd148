import { bumpAccountVersion } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { invariant } from '../shared/assert';
import { minBigint } from '../shared/money';
import { fundingLegsOf } from './authorization.repository';
import { changeAuthorization } from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  heldLegsOf,
  type RecordedCardEvent,
} from './card-event-context';
import { giveLimitBack, releaseHold } from './release-hold';
import { isOpen, next } from './rules/authorization-state';
import { heldUsd, releaseAll, releasedByReversal, releaseLegs } from './rules/hold-legs';

/**
 * The merchant gives back all or part of a hold, with its share of the allowance. Without an authorization (the reversal
 * came first) or a hold that is open, the message is only put on record.
 */
export async function recordReversal(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, authorization, event, now } = context;
  if (authorization === null) {
    // An authorization of this purchase that is being decided now must see that it was taken back.
    await bumpAccountVersion(trx, organizationId, account.id);
    return { authorizationId: null, cardTransactionId: null };
  }
  const recorded = { authorizationId: authorization.id, cardTransactionId: null };
  if (!isOpen(authorization.state)) return recorded;

  const spent = authorization.cleared_amount + authorization.reversed_amount;
  const outstanding = authorization.approved_amount > spent ? authorization.approved_amount - spent : 0n;
  const reversed = minBigint(event.amount, outstanding);
  const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorization.id]));
  const release =
    reversed === outstanding
      ? releaseAll(held)
      : releaseLegs(held, releasedByReversal(heldUsd(held), outstanding, reversed));
  await releaseHold(trx, {
    organizationId,
    authorizationId: authorization.id,
    accountId: account.id,
    reference: event.messageId,
    reason: 'void',
    effectiveAt: event.effectiveAt,
    shares: release.shares,
  });
  const transition = next(authorization.state, { kind: 'reversed', holdLeft: heldUsd(release.left) });
  invariant(transition.kind !== 'refused', 'a reversal is always recorded');
  const change = { state: transition.state, reversed };
  await changeAuthorization(trx, organizationId, authorization.id, change);
  await giveLimitBack(trx, authorization, {
    timeZone: account.time_zone,
    amount: reversed,
    wholly: transition.state === 'reversed',
    now,
  });
  await appendEvent(trx, {
    organizationId,
    type: 'authorization.reversed',
    resourceKind: 'authorization',
    resourceId: authorization.id,
    data: authorizationEventData(authorization, change),
  });
  return recorded;
}
