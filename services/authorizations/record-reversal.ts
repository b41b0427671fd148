import { bumpAccountVersion } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { minBigint } from '../shared/money';
import { findAmendment } from './amendment.repository';
import type { AuthorizationRow } from './authorization.repository';
import { approvedWithoutRow } from './card-event.repository';
import type { CardEventContext, RecordedCardEvent } from './card-event-context';
import { dueSinceEvent } from './due-since-event';
import { reversePart } from './reverse-part';
import { standingOf, stillDue } from './rules/amendment';
import { isOpen } from './rules/authorization-state';
import { takeBackFirstApproval } from './take-back-first-approval';
import { takeBackIncrement } from './take-back-increment';

/**
 * The merchant gives back all or part of a hold, with its share of allowance and fee. Without an authorization (the reversal
 * came first) or a hold that is open, the message is only put on record; so is one from before the last total that the
 * network told, which has it in it already. What was approved on top after the moment that it tells of stays.
 */
export async function recordReversal(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, authorization, event, now } = context;
  if (authorization === null) {
    // An authorization of this purchase that is being decided now must see that it was taken back.
    await bumpAccountVersion(trx, organizationId, account.id);
    return { authorizationId: null, cardTransactionId: null };
  }
  const recorded = { authorizationId: authorization.id, cardTransactionId: null };
  if (event.reversedMessageId !== null) {
    const takenBack = await takeBackRequest(trx, context, authorization, event.reversedMessageId);
    return takenBack ? recorded : { ...recorded, nothingChanged: true };
  }
  const { advised_at: advisedAt } = authorization;
  if (advisedAt !== null && event.effectiveAt < advisedAt) return recorded;
  if (!isOpen(authorization.state)) return recorded;
  const due = stillDue(standingOf(authorization));
  const since = await dueSinceEvent(trx, context, authorization);
  const amount = since === 0n ? event.amount : minBigint(event.amount, due - since);
  // Nothing is given back, and nobody is told that it was.
  if (amount === 0n) return recorded;
  await reversePart(trx, {
    authorization,
    timeZone: account.time_zone,
    amount,
    messageId: event.messageId,
    effectiveAt: event.effectiveAt,
    now,
  });
  return recorded;
}

/**
 * One request did not come about, whatever we answered: what we approved on it goes back, nothing of what others hold. Returns whether
 * there was anything to give back: not where we declined it ourselves, were never asked, or approved nothing.
 */
async function takeBackRequest(
  trx: Transaction,
  { organizationId, account, event, now }: CardEventContext,
  authorization: AuthorizationRow,
  messageId: string,
): Promise<boolean> {
  const { advised_at: advisedAt } = authorization;
  if (!isOpen(authorization.state) || (advisedAt !== null && event.effectiveAt < advisedAt)) return false;
  const part = { authorization, timeZone: account.time_zone, effectiveAt: event.effectiveAt, now };
  if (messageId === authorization.message_id) {
    return takeBackFirstApproval(trx, { ...part, reference: event.messageId });
  }
  const amendment = await findAmendment(trx, organizationId, event.vendor, messageId);
  if (amendment?.authorization_id === authorization.id) {
    return takeBackIncrement(trx, { ...part, amendment, reference: event.messageId });
  }
  const approved = await approvedWithoutRow(trx, authorization, messageId);
  const amount = minBigint(event.amount, approved);
  if (amount === 0n) return false;
  await reversePart(trx, { ...part, amount, messageId: event.messageId });
  return true;
}
