import { bumpAccountVersion } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { minBigint } from '../shared/money';
import { findAmendment } from './amendment.repository';
import { findAnswer } from './card-event.repository';
import type { CardEventContext, RecordedCardEvent } from './card-event-context';
import { reversePart } from './reverse-part';
import { isOpen } from './rules/authorization-state';
import { takeBackFirstApproval } from './take-back-first-approval';
import { takeBackIncrement } from './take-back-increment';

/**
 * The merchant gives back all or part of a hold, with its share of allowance and fee. Without an authorization (the reversal
 * came first) or a hold that is open, the message is only put on record; so is one from before the last total that the
 * network told, which has it in it already.
 */
export async function recordReversal(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, authorization, event, now } = context;
  if (authorization === null) {
    // An authorization of this purchase that is being decided now must see that it was taken back.
    await bumpAccountVersion(trx, organizationId, account.id);
    return { authorizationId: null, cardTransactionId: null };
  }
  const recorded = { authorizationId: authorization.id, cardTransactionId: null };
  const { advised_at: advisedAt } = authorization;
  if (advisedAt !== null && event.effectiveAt < advisedAt) return recorded;
  if (!isOpen(authorization.state)) return recorded;
  const { reversedMessageId } = event;
  const part = { authorization, timeZone: account.time_zone, effectiveAt: event.effectiveAt, now };
  if (reversedMessageId === null) {
    await reversePart(trx, { ...part, amount: event.amount, messageId: event.messageId });
    return recorded;
  }
  if (reversedMessageId === authorization.message_id) {
    await takeBackFirstApproval(trx, { ...part, reference: event.messageId });
    return recorded;
  }
  // The network did not hear us approve more: what we approved on that message goes back, nothing of what others hold.
  const amendment = await findAmendment(trx, organizationId, event.vendor, reversedMessageId);
  if (amendment?.authorization_id === authorization.id) {
    await takeBackIncrement(trx, { ...part, amendment, reference: event.messageId });
    return recorded;
  }
  const amount = await approvedBefore(trx, context, authorization.id, reversedMessageId);
  if (amount > 0n) {
    await reversePart(trx, { ...part, amount: minBigint(event.amount, amount), messageId: event.messageId });
  }
  return recorded;
}

/**
 * What a message of this purchase was approved for whose approval has no row of its own; nothing for one that never asked, or
 * asked for another purchase.
 */
async function approvedBefore(
  trx: Transaction,
  context: CardEventContext,
  authorizationId: string,
  messageId: string,
): Promise<bigint> {
  const answered = await findAnswer(trx, context.organizationId, context.event.vendor, messageId);
  return answered?.answer.authorization_id === authorizationId ? BigInt(answered.answer.approved_amount) : 0n;
}
