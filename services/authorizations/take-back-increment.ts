import type { Transaction } from '../database/transaction';
import { type AmendmentRow, takeAmendmentBack } from './amendment.repository';
import type { AuthorizationRow } from './authorization.repository';
import { reversePart } from './reverse-part';
import { isAboutAmount } from './rules/amendment';

/**
 * Gives back what one message was approved for on top of a purchase, once: the approval did not come about. One that was declined changes
 * nothing. What clearings
 * have used of it meanwhile stays used. A repetition of the message is from now on told that it came too late. Under the account's
 * lock, on a purchase that is open. Returns whether there was anything to give back.
 */
export async function takeBackIncrement(
  trx: Transaction,
  input: {
    readonly authorization: AuthorizationRow;
    readonly amendment: AmendmentRow;
    readonly timeZone: string;
    /** Names what took it back. */
    readonly reference: string;
    readonly effectiveAt: Date;
    /** Where nobody of the network asked for it. */
    readonly reason?: 'answer_not_heard';
    readonly now: Date;
  },
): Promise<boolean> {
  const { amendment, authorization, timeZone, reference, effectiveAt, reason, now } = input;
  const { answer_state: state } = amendment;
  // What was declined, told a total that was no more, or was not about the amount approved nothing on top.
  if (amendment.outcome === 'declined' || amendment.given_back !== null || !isAboutAmount(amendment.kind)) return false;
  // What a total includes, or ended with the purchase, is no longer held for it: what is held now is for later messages.
  if (state === 'taken_back' || state === 'overtaken') return false;
  if (amendment.granted > 0n) {
    await reversePart(trx, {
      authorization,
      timeZone,
      amount: amendment.granted,
      messageId: reference,
      effectiveAt,
      legIds: amendment.leg_ids,
      countedFor: { messageId: amendment.message_id },
      ...(reason === undefined ? {} : { reason }),
      now,
    });
  }
  await takeAmendmentBack(trx, amendment);
  return true;
}
