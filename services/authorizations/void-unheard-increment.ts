import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { type AmendmentRow, findAmendment, settleAmendment } from './amendment.repository';
import { lockAuthorization } from './lock-authorization';
import { isOpen } from './rules/authorization-state';
import { takeBackIncrement } from './take-back-increment';
import { wakeAuthorization } from './wake-authorization';

/**
 * `overtaken`: a later message says what the purchase has come to, or it has ended. `settled`: it was known already what became of
 * the answer.
 */
export type VoidUnheardIncrementOutcome = { readonly kind: 'voided' | 'overtaken' | 'settled' };

/**
 * Gives back what was held on top of a purchase for an approval that the network never heard, with the use of limits that it
 * counted; what was approved before stays. Safe to repeat, and at any time against messages of the network: whichever takes the
 * account's lock first counts.
 */
export async function voidUnheardIncrement(
  deps: { readonly knex: Knex; readonly clock: Clock },
  unheard: Pick<AmendmentRow, 'organization_id' | 'authorization_id' | 'vendor' | 'message_id'>,
): Promise<VoidUnheardIncrementOutcome> {
  const { organization_id: organizationId, authorization_id: authorizationId, vendor } = unheard;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const { account, authorization } = required(
      await lockAuthorization(trx, organizationId, authorizationId),
      'the purchase of an increment',
    );
    const amendment = required(await findAmendment(trx, organizationId, vendor, unheard.message_id), 'the increment');
    if (amendment.answer_state !== 'awaited') return { kind: 'settled' };
    const { advised_at: advisedAt } = authorization;
    const inATotal = advisedAt !== null && amendment.occurred_at < advisedAt;
    if (inATotal || !isOpen(authorization.state)) {
      await settleAmendment(trx, organizationId, amendment.id, 'overtaken');
      return { kind: 'overtaken' };
    }
    const now = deps.clock.now();
    await takeBackIncrement(trx, {
      authorization,
      amendment,
      timeZone: account.time_zone,
      reference: `unheard:${amendment.message_id}`,
      effectiveAt: now,
      reason: 'answer_not_heard',
      now,
    });
    // Its workflow is to see whether anything is left to wait for.
    await wakeAuthorization(trx, { organizationId, authorizationId });
    return { kind: 'voided' };
  });
}
