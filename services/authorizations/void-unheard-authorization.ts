import type { Knex } from 'knex';
import type { AccountRow } from '../accounts/account.repository';
import { inOrganization, type Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { Clock } from '../shared/clock';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { changeAuthorization } from './card-event.repository';
import { authorizationEventData, heldLegsOf } from './card-event-context';
import { lockAuthorization } from './lock-authorization';
import { giveLimitBack, releaseHold } from './release-hold';
import { returnReservation } from './return-reservation';
import { next } from './rules/authorization-state';
import { releaseAll } from './rules/hold-legs';
import { answerLateFromNowOn, isConfirmedByNetwork } from './unheard-answers.repository';
import { wakeAuthorization } from './wake-authorization';

export interface VoidUnheardAuthorizationInput {
  readonly organizationId: string;
  readonly authorizationId: string;
}

/**
 * `confirmed`: the network has spoken of the purchase since, so it heard the approval. `ended`: it holds nothing any more,
 * or part of it was cleared.
 */
export type VoidUnheardAuthorizationOutcome = { readonly kind: 'voided' | 'confirmed' | 'ended' | 'unknown' };

/**
 * Gives a hold back whose approval the network never heard, with the whole use of limits that it counted. Safe to repeat,
 * and at any time against messages of the network: whichever takes the account's lock first counts, and a clearing that
 * comes afterwards posts all the same.
 */
export async function voidUnheardAuthorization(
  deps: { readonly knex: Knex; readonly clock: Clock },
  input: VoidUnheardAuthorizationInput,
): Promise<VoidUnheardAuthorizationOutcome> {
  const { organizationId, authorizationId } = input;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const locked = await lockAuthorization(trx, organizationId, authorizationId);
    if (locked === null) return { kind: 'unknown' };
    const { account, authorization } = locked;
    const transition = next(authorization.state, { kind: 'unheard' });
    if (transition.kind !== 'changed') return { kind: 'ended' };
    if (await isConfirmedByNetwork(trx, authorization)) return { kind: 'confirmed' };
    await giveBack(trx, authorization, { state: transition.state, account, now: deps.clock.now() });
    return { kind: 'voided' };
  });
}

async function giveBack(
  trx: Transaction,
  authorization: AuthorizationRow,
  input: { readonly state: AuthorizationRow['state']; readonly account: AccountRow; readonly now: Date },
): Promise<void> {
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const { now, account } = input;
  const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorizationId]));
  await releaseHold(trx, {
    organizationId,
    authorizationId,
    accountId,
    reference: 'unheard',
    reason: 'void',
    effectiveAt: now,
    shares: releaseAll(held).shares,
  });
  const amount = authorization.approved_amount - authorization.reversed_amount;
  const change = { state: input.state, reversed: amount };
  await changeAuthorization(trx, organizationId, authorizationId, change);
  await giveLimitBack(trx, authorization, { timeZone: account.time_zone, amount, wholly: true, now });
  await returnReservation(trx, {
    authorization: { ...authorization, state: input.state },
    account,
    amount: authorization.reserved_amount,
    reference: 'unheard',
    effectiveAt: now,
    now,
  });
  await answerLateFromNowOn(trx, authorization);
  await appendEvent(trx, {
    organizationId,
    type: 'authorization.reversed',
    resourceKind: 'authorization',
    resourceId: authorizationId,
    data: { ...authorizationEventData(authorization, change), reason: 'answer_not_heard' },
  });
  // Its workflow, where it runs already, is to see that nothing is left to wait for.
  await wakeAuthorization(trx, { organizationId, authorizationId });
}
