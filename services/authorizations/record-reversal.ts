import { bumpAccountVersion, findAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { invariant, required } from '../shared/assert';
import { minBigint } from '../shared/money';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { changeAuthorization, findAnswer } from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  heldLegsOf,
  type RecordedCardEvent,
} from './card-event-context';
import { giveLimitBack, releaseHold } from './release-hold';
import { returnReservation } from './return-reservation';
import { isOpen, next } from './rules/authorization-state';
import { heldUsd, releaseAll, releasedByReversal, releaseLegs } from './rules/hold-legs';

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
  const amount = await reversedAmount(trx, context, authorization);
  if (!isOpen(authorization.state) || amount === null) return recorded;
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

/** A request that the network did not hear approved gives back what we approved on it; null: nothing. */
async function reversedAmount(
  trx: Transaction,
  { organizationId, event }: CardEventContext,
  authorization: AuthorizationRow,
): Promise<bigint | null> {
  const { reversedMessageId } = event;
  if (reversedMessageId === null || reversedMessageId === authorization.message_id) return event.amount;
  const answered = await findAnswer(trx, organizationId, event.vendor, reversedMessageId);
  // Never asked, so never held: nothing of what other messages hold is its own.
  const approved = answered === undefined ? 0n : BigInt(answered.answer.approved_amount);
  return approved === 0n ? null : minBigint(event.amount, approved);
}

/**
 * Gives `amount` cents of what is still to be cleared back, at most all of it. Under the account's lock, on a purchase that is
 * open.
 */
export async function reversePart(
  trx: Transaction,
  input: {
    readonly authorization: AuthorizationRow;
    readonly timeZone: string;
    readonly amount: bigint;
    readonly messageId: string;
    readonly effectiveAt: Date;
    readonly advisedAt?: Date;
    readonly now: Date;
  },
): Promise<void> {
  const { authorization, timeZone, now } = input;
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const spent = authorization.cleared_amount + authorization.reversed_amount;
  const outstanding = authorization.approved_amount > spent ? authorization.approved_amount - spent : 0n;
  const reversed = minBigint(input.amount, outstanding);
  const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorizationId]));
  // What is held still goes back before what was funded already, which has to be bought back.
  const { reserved_amount: reserved } = authorization;
  const freed =
    reversed === outstanding
      ? heldUsd(held) + reserved
      : releasedByReversal(heldUsd(held) + reserved, outstanding, reversed);
  const release = reversed === outstanding ? releaseAll(held) : releaseLegs(held, minBigint(freed, heldUsd(held)));
  await releaseHold(trx, {
    organizationId,
    authorizationId,
    accountId,
    reference: input.messageId,
    reason: 'void',
    effectiveAt: input.effectiveAt,
    shares: release.shares,
  });
  const transition = next(authorization.state, { kind: 'reversed', left: outstanding - reversed });
  invariant(transition.kind !== 'refused', 'a reversal is always recorded');
  const change = {
    state: transition.state,
    reversed,
    ...(input.advisedAt === undefined ? {} : { advisedAt: input.advisedAt }),
  };
  await changeAuthorization(trx, organizationId, authorizationId, change);
  await giveLimitBack(trx, authorization, {
    timeZone,
    amount: reversed,
    wholly: transition.state === 'reversed',
    now,
  });
  await returnReservation(trx, {
    authorization: { ...authorization, state: transition.state },
    account: required(await findAccount(trx, organizationId, accountId), 'the account of a purchase'),
    amount: freed - minBigint(freed, heldUsd(held)),
    reference: input.messageId,
    effectiveAt: input.effectiveAt,
    now,
  });
  // Limits are a decision's input even where no token was held.
  await bumpAccountVersion(trx, organizationId, accountId);
  await appendEvent(trx, {
    organizationId,
    type: 'authorization.reversed',
    resourceKind: 'authorization',
    resourceId: authorizationId,
    data: authorizationEventData(authorization, change),
  });
}
