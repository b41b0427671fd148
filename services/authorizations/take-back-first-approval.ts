import type { Transaction } from '../database/transaction';
import { type AuthorizationRow, firstApprovalOf, fundingLegsOf } from './authorization.repository';
import { reversePart } from './reverse-part';
import { isFirstApprovalLeft } from './rules/first-approval';
import { answerLateFromNowOn, isAnsweredLate, isInLaterTotal, legIdsOfAmendments } from './unheard-answers.repository';

/**
 * Gives back what a purchase was approved for when it began, once: that approval did not come about. What was approved on
 * top of it stays, and what clearings have used of it stays used; where a new total was approved since, all of it is held for that. A repetition of its first message is from now on told that it
 * came too late. Under the account's lock, on a purchase that is open. Returns whether there was anything to give back.
 */
export async function takeBackFirstApproval(
  trx: Transaction,
  input: {
    readonly authorization: AuthorizationRow;
    readonly timeZone: string;
    /** Names what took it back. */
    readonly reference: string;
    readonly effectiveAt: Date;
    /** Where nobody of the network asked for it. */
    readonly reason?: 'answer_not_heard';
    readonly now: Date;
  },
): Promise<boolean> {
  const { authorization, timeZone, reference, effectiveAt, reason, now } = input;
  const { organization_id: organizationId, id: authorizationId } = authorization;
  // All of it, as its legs are all of what it holds: an amount of another making would free more than it takes back.
  const approved = firstApprovalOf(authorization);
  if (authorization.decline_reason !== null || approved === 0n) return false;
  if (await isAnsweredLate(trx, authorization)) return false;
  if (await isInLaterTotal(trx, authorization)) return false;
  const later = new Set(await legIdsOfAmendments(trx, organizationId, authorizationId));
  const legs = await fundingLegsOf(trx, organizationId, [authorizationId]);
  const own = legs.filter((leg) => !later.has(leg.id));
  if (later.size > 0 && !isFirstApprovalLeft(own, authorization)) return false;
  await reversePart(trx, {
    authorization,
    timeZone,
    amount: approved,
    messageId: reference,
    effectiveAt,
    legIds: own.map((leg) => leg.id),
    countedFor: 'first',
    ...(reason === undefined ? {} : { reason }),
    now,
  });
  await answerLateFromNowOn(trx, authorization);
  return true;
}
