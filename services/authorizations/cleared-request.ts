import type { Transaction } from '../database/transaction';
import type { CardEvent } from '../providers/processor/port';
import { minBigint } from '../shared/money';
import { findAmendment } from './amendment.repository';
import { type AuthorizationRow, firstApprovalOf } from './authorization.repository';
import { approvedWithoutRow } from './card-event.repository';
import { isAnsweredLate } from './unheard-answers.repository';

/**
 * A clearing with what it comes to. Where it is the outcome of a request in the same message, that is at most what we approved on that
 * request: the event may say what the merchant asked for. Where we approved nothing that stands, the network went ahead without us
 * and its amount is the truth. The merchant's own amount stays as it was told.
 */
export async function clearedByRequest(
  trx: Transaction,
  authorization: AuthorizationRow | undefined,
  event: CardEvent,
): Promise<CardEvent> {
  if (event.clearedMessageId === null || authorization === undefined) return event;
  const approved = await approvedOn(trx, authorization, event.clearedMessageId);
  if (approved === 0n || approved >= event.amount) return event;
  return { ...event, amount: approved, cashAmount: minBigint(event.cashAmount, approved) };
}

/** What we approved on one request of a purchase, cents; nothing where that was taken back, or asked for another purchase. */
async function approvedOn(trx: Transaction, authorization: AuthorizationRow, messageId: string): Promise<bigint> {
  const { organization_id: organizationId, vendor } = authorization;
  if (messageId === authorization.message_id) {
    if (authorization.decline_reason !== null || (await isAnsweredLate(trx, authorization))) return 0n;
    return firstApprovalOf(authorization);
  }
  const amendment = await findAmendment(trx, organizationId, vendor, messageId);
  if (amendment?.authorization_id === authorization.id) {
    return amendment.answer_state === 'taken_back' ? 0n : amendment.granted;
  }
  return approvedWithoutRow(trx, authorization, messageId);
}
