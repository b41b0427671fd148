import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { RequestStanding } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { lockAuthorization } from './lock-authorization';
import { isOpen } from './rules/authorization-state';
import { takeBackFirstApproval } from './take-back-first-approval';
import { isSpokenOf } from './unheard-answers.repository';
import { wakeAuthorization } from './wake-authorization';

export interface VoidUnheardAuthorizationInput {
  readonly organizationId: string;
  readonly authorizationId: string;
  /** What the processor says of the request that the purchase began with. */
  readonly standing: Exclude<RequestStanding, 'approved'>;
}

/**
 * `confirmed`: the network has told what the purchase comes to, or spoken of one that the processor may only be late to record.
 * `ended`: nothing is held any more for its first message.
 */
export type VoidUnheardAuthorizationOutcome = { readonly kind: 'voided' | 'confirmed' | 'ended' | 'unknown' };

/**
 * Gives back what a purchase was approved for at first, whose approval the network never heard, with the use of limits that it
 * counted; what it was asked for on top and heard stays. Safe to repeat, and at any time against messages of the network:
 * whichever takes the account's lock first counts, and a clearing that comes afterwards posts all the same.
 */
export async function voidUnheardAuthorization(
  deps: { readonly knex: Knex; readonly clock: Clock },
  input: VoidUnheardAuthorizationInput,
): Promise<VoidUnheardAuthorizationOutcome> {
  const { organizationId, authorizationId, standing } = input;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const locked = await lockAuthorization(trx, organizationId, authorizationId);
    if (locked === null) return { kind: 'unknown' };
    const { account, authorization } = locked;
    if (!isOpen(authorization.state)) return { kind: 'ended' };
    // A total that the network told is the truth, whatever became of our answer.
    if (authorization.kind === 'advice' || authorization.advised_at !== null) return { kind: 'confirmed' };
    // What it declined it will not approve any more. What it has no record of it may have by the time that it speaks of it.
    if (standing === 'not_recorded' && (await isSpokenOf(trx, authorization))) return { kind: 'confirmed' };
    const now = deps.clock.now();
    const takenBack = await takeBackFirstApproval(trx, {
      authorization,
      timeZone: account.time_zone,
      reference: 'unheard',
      effectiveAt: now,
      reason: 'answer_not_heard',
      now,
    });
    if (!takenBack) return { kind: 'ended' };
    // Its workflow, where it runs already, is to see whether anything is left to wait for.
    await wakeAuthorization(trx, { organizationId, authorizationId });
    return { kind: 'voided' };
  });
}
