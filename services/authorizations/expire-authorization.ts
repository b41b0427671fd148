import type { Knex } from 'knex';
import type { AccountRow } from '../accounts/account.repository';
import { inOrganization, type Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { invariant } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { changeAuthorization } from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  heldLegsOf,
  type RecordedCardEvent,
} from './card-event-context';
import { dueSinceEvent } from './due-since-event';
import { lockAuthorization } from './lock-authorization';
import { giveLimitBack, releaseHold } from './release-hold';
import { returnReservation } from './return-reservation';
import { reversePart } from './reverse-part';
import { standingOf, stillDue } from './rules/amendment';
import { isOpen, next } from './rules/authorization-state';
import { countedAmount } from './rules/counted-amount';
import { releaseAll } from './rules/hold-legs';

export interface ExpireAuthorizationInput {
  readonly organizationId: string;
  readonly authorizationId: string;
}

/** `not_due`: its deadline is later, or it has none. `ended`: it holds nothing any more. */
export type ExpireAuthorizationOutcome = { readonly kind: 'expired' | 'not_due' | 'ended' | 'unknown' };

/**
 * Ends a hold whose deadline row has passed. Safe to repeat: the workflow's timer and the sweeper both call it, and the
 * row alone decides.
 */
export async function expireAuthorization(
  deps: { readonly knex: Knex; readonly clock: Clock },
  input: ExpireAuthorizationInput,
): Promise<ExpireAuthorizationOutcome> {
  const { organizationId, authorizationId } = input;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const locked = await lockAuthorization(trx, organizationId, authorizationId);
    if (locked === null) return { kind: 'unknown' };
    const { account, authorization } = locked;
    if (!isOpen(authorization.state)) return { kind: 'ended' };
    const now = deps.clock.now();
    if (authorization.expires_at === null || authorization.expires_at > now) return { kind: 'not_due' };
    await expire(trx, authorization, {
      account,
      effectiveAt: authorization.expires_at,
      // A purchase that was opened again runs out once more, at a later time.
      reference: `expiry:${authorization.expires_at.toISOString()}`,
      now,
    });
    return { kind: 'expired' };
  });
}

/**
 * The network says that the hold ran out: ended now, whatever our own deadline. What was approved on top after the moment at which it
 * did stays.
 */
export async function expireByNetwork(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { account, authorization, event, now } = context;
  if (authorization === null) return { authorizationId: null, cardTransactionId: null };
  const { advised_at: advisedAt } = authorization;
  // The network held more, or again, since.
  const overtaken = advisedAt !== null && event.effectiveAt < advisedAt;
  const recorded = { authorizationId: authorization.id, cardTransactionId: null };
  if (!isOpen(authorization.state) || overtaken) return recorded;
  const { effectiveAt, messageId } = event;
  const since = await dueSinceEvent(trx, context, authorization);
  if (since === 0n) {
    await expire(trx, authorization, { account, effectiveAt, reference: messageId, now });
    return recorded;
  }
  const amount = stillDue(standingOf(authorization)) - since;
  if (amount > 0n) {
    await reversePart(trx, { authorization, timeZone: account.time_zone, amount, messageId, effectiveAt, now });
  }
  return recorded;
}

async function expire(
  trx: Transaction,
  authorization: AuthorizationRow,
  input: { readonly account: AccountRow; readonly effectiveAt: Date; readonly reference: string; readonly now: Date },
): Promise<void> {
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorizationId]));
  await releaseHold(trx, {
    organizationId,
    authorizationId,
    accountId,
    reference: input.reference,
    reason: 'expire',
    effectiveAt: input.effectiveAt,
    shares: releaseAll(held).shares,
  });
  const transition = next(authorization.state, { kind: 'expired' });
  invariant(transition.kind === 'changed', 'an open authorization can expire');
  await changeAuthorization(trx, organizationId, authorizationId, { state: transition.state });
  await returnReservation(trx, {
    authorization: { ...authorization, state: transition.state },
    account: input.account,
    amount: authorization.reserved_amount,
    reference: input.reference,
    effectiveAt: input.effectiveAt,
    now: input.now,
  });
  const { cleared_amount: spent } = authorization;
  const unspent = countedAmount(standingOf(authorization)) - spent;
  if (unspent > 0n) {
    await giveLimitBack(trx, authorization, {
      timeZone: input.account.time_zone,
      amount: unspent,
      countedFor: 'last',
      unspent: true,
      now: input.now,
    });
  }
  await appendEvent(trx, {
    organizationId,
    type: 'authorization.expired',
    resourceKind: 'authorization',
    resourceId: authorizationId,
    data: authorizationEventData(authorization, { state: transition.state }),
  });
}
