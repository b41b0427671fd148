import { bumpAccountVersion, findAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { invariant, required } from '../shared/assert';
import { minBigint } from '../shared/money';
import { type AuthorizationRow, type FundingLegRow, fundingLegsOf } from './authorization.repository';
import { changeAuthorization } from './card-event.repository';
import { authorizationEventData, heldLegsOf } from './card-event-context';
import { freeDownTo, freeOwn, freeShare } from './hold-of-rest';
import { type CountedFor, giveLimitBack, releaseHold } from './release-hold';
import { returnReservation } from './return-reservation';
import { isOpen, next } from './rules/authorization-state';
import { type HeldLeg, heldUsd, releaseAll } from './rules/hold-legs';

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
    /** Cents to be held for what is left, where that is told; worked out, when left out. */
    readonly holdFor?: bigint;
    /** The legs that were placed for just this amount: what was never touched of them goes back as it was placed. */
    readonly legIds?: readonly string[];
    /** What the amount was counted for, where it is for one message alone. */
    readonly countedFor?: CountedFor;
    /** Why, where the network did not ask for it. */
    readonly reason?: 'answer_not_heard';
    readonly now: Date;
  },
): Promise<void> {
  const { authorization, timeZone, now } = input;
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const spent = authorization.cleared_amount + authorization.reversed_amount;
  const outstanding = authorization.approved_amount > spent ? authorization.approved_amount - spent : 0n;
  const reversed = minBigint(input.amount, outstanding);
  const legs = await fundingLegsOf(trx, organizationId, [authorizationId]);
  const held = heldLegsOf(legs);
  const own = reversed < input.amount || reversed === outstanding ? null : untouchedLegs(legs, input.legIds ?? []);
  const { reserved_amount: reserved } = authorization;
  const { freed, release } =
    reversed === outstanding
      ? { freed: heldUsd(held) + reserved, release: releaseAll(held) }
      : own !== null
        ? await freeOwn(trx, authorization, own, input.countedFor === 'first')
        : input.holdFor !== undefined
          ? freeDownTo(held, input.holdFor)
          : await freeShare(trx, authorization, held, { outstanding, reversed });
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
    countedFor: input.countedFor ?? 'last',
    unspent: !isOpen(transition.state),
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
    data: {
      ...authorizationEventData(authorization, change),
      ...(input.reason === undefined ? {} : { reason: input.reason }),
    },
  });
}

/** The legs of these ids as they are held, or null where anything of them was posted or released already. */
function untouchedLegs(legs: readonly FundingLegRow[], ids: readonly string[]): readonly HeldLeg[] | null {
  const own = legs.filter((leg) => ids.includes(leg.id));
  const untouched = own.every((leg) => leg.posted_amount === 0n && leg.released_amount === 0n && leg.posted_usd === 0n);
  return own.length > 0 && own.length === ids.length && untouched ? heldLegsOf(own) : null;
}
