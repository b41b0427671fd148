import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { Processor } from '../providers/processor/port';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { inLanes } from '../shared/in-lanes';
import {
  type AmendmentRow,
  askAboutAmendmentAgain,
  claimUnheardAmendments,
  settleAmendment,
} from './amendment.repository';
import { isOpen } from './rules/authorization-state';
import { askAgainAfterMs, RECORDED_BY_THEN_MS } from './rules/unheard-answers';
import { findHold } from './unheard-answers.repository';
import { voidUnheardIncrement } from './void-unheard-increment';

export interface SweepUnheardIncrementsDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
  readonly processor: Pick<Processor, 'vendor' | 'findRequest'>;
}

const INCREMENTS = 200;
/** Increments that are asked after at once. */
const CONCURRENCY = 8;
const LEASE_MS = 60_000;

/**
 * Settles increments whose approval may never have reached the network, because the process that gave it died, was too late, or
 * the vendor had hung up: the processor is asked what it made of that very request. What it approved stays held; what it declined
 * or never recorded is given back, and what was approved before stays; where it does not say, it is asked again later. Returns how
 * many are settled.
 */
export async function sweepUnheardIncrements(deps: SweepUnheardIncrementsDeps): Promise<number> {
  const times = { now: deps.clock.now(), leaseMs: LEASE_MS };
  const waiting = await claimUnheardAmendments(deps.workerKnex, times, INCREMENTS);
  const failures: unknown[] = [];
  let settled = 0;
  await inLanes(waiting, CONCURRENCY, async (amendment) => {
    const done = await settle(deps, amendment).catch((error: unknown) => {
      failures.push(error);
      return false;
    });
    if (done) settled += 1;
    else {
      const at = new Date(deps.clock.now().getTime() + askAgainAfterMs(amendment.asked));
      await askAboutAmendmentAgain(deps.workerKnex, amendment, at);
    }
  });
  // One that fails does not keep the others waiting, but it is seen.
  if (failures.length > 0) throw failures[0];
  return settled;
}

/** Whether it is known what became of it. */
async function settle(deps: SweepUnheardIncrementsDeps, amendment: AmendmentRow): Promise<boolean> {
  const { organization_id: organizationId, authorization_id: authorizationId } = amendment;
  const purchase = await findHold(deps.workerKnex, organizationId, authorizationId);
  if (purchase === undefined || !isOpen(purchase.state)) {
    await voidUnheardIncrement(deps, amendment);
    return true;
  }
  if (amendment.vendor !== deps.processor.vendor) return false;
  const found = await deps.processor.findRequest({
    processorAuthorizationId: amendment.processor_authorization_id,
    messageId: amendment.message_id,
    opens: false,
  });
  if (found.kind !== 'ok') return false;
  if (found.value === 'approved') {
    await inOrganization(deps.knex, organizationId, (trx) =>
      settleAmendment(trx, organizationId, amendment.id, 'counted'),
    );
    return true;
  }
  const due = required(amendment.respond_by, 'the time for an answer that is awaited');
  const sinceDueMs = deps.clock.now().getTime() - due.getTime();
  if (found.value === 'not_recorded' && sinceDueMs < RECORDED_BY_THEN_MS) return false;
  await voidUnheardIncrement(deps, amendment);
  return true;
}
