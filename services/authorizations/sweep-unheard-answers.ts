import type { Knex } from 'knex';
import type { Processor } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { inLanes } from '../shared/in-lanes';
import { isOpen } from './rules/authorization-state';
import { askAgainAfterMs, RECORDED_BY_THEN_MS, UNHEARD_GRACE_MS } from './rules/unheard-answers';
import {
  askBatchAgain,
  claimUnheardBatches,
  findHold,
  resolveBatch,
  type UnheardBatch,
} from './unheard-answers.repository';
import { voidUnheardAuthorization } from './void-unheard-authorization';

export interface SweepUnheardAnswersDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
  readonly processor: Pick<Processor, 'vendor' | 'findRequest'>;
}

const BATCHES = 50;
/** Holds that are asked after at once. */
const CONCURRENCY = 8;
const LEASE_MS = 60_000;

type Hold = UnheardBatch['holds'][number];

/**
 * Settles batches whose answers may never have reached the network, because the process that gave them died or was too
 * late: for each hold the processor is asked what it made of the very request that was answered, whatever has become of the
 * purchase since. What it approved stays held; what it declined or never recorded is given back; where it does not say, it is
 * asked again later. Returns how many batches are settled.
 */
export async function sweepUnheardAnswers(deps: SweepUnheardAnswersDeps): Promise<number> {
  const now = deps.clock.now();
  const batches = await claimUnheardBatches(
    deps.workerKnex,
    { now, dueBefore: new Date(now.getTime() - UNHEARD_GRACE_MS), leaseMs: LEASE_MS },
    BATCHES,
  );
  const failures: unknown[] = [];
  let settled = 0;
  for (const batch of batches) {
    const undecided = await settleHolds(deps, batch, failures);
    if (undecided > 0) {
      const at = new Date(deps.clock.now().getTime() + askAgainAfterMs(batch.asked));
      await askBatchAgain(deps.workerKnex, batch.id, at);
    } else {
      await resolveBatch(deps.workerKnex, batch.id, deps.clock.now());
      settled += 1;
    }
  }
  // One that fails does not keep the others waiting, but it is seen.
  if (failures.length > 0) throw failures[0];
  return settled;
}

/** Returns of how many holds it is not known yet what became of them. */
async function settleHolds(deps: SweepUnheardAnswersDeps, batch: UnheardBatch, failures: unknown[]): Promise<number> {
  let undecided = 0;
  await inLanes(batch.holds, CONCURRENCY, async (hold) => {
    try {
      if (!(await settleHold(deps, batch, hold))) undecided += 1;
    } catch (error) {
      failures.push(error);
      undecided += 1;
    }
  });
  return undecided;
}

async function settleHold(
  deps: SweepUnheardAnswersDeps,
  batch: UnheardBatch,
  [organizationId, authorizationId]: Hold,
): Promise<boolean> {
  const hold = await findHold(deps.workerKnex, organizationId, authorizationId);
  if (hold === undefined || !isOpen(hold.state)) return true;
  // A row from before it named its message: held until the network speaks of it, or it ends.
  if (hold.vendor !== deps.processor.vendor || hold.message_id === null) return false;
  const found = await deps.processor.findRequest({
    processorAuthorizationId: hold.processor_authorization_id,
    messageId: hold.message_id,
    opens: true,
  });
  if (found.kind !== 'ok') return false;
  const standing = found.value;
  if (standing === 'approved') return true;
  const sinceDueMs = deps.clock.now().getTime() - batch.respond_by.getTime();
  if (standing === 'not_recorded' && sinceDueMs < RECORDED_BY_THEN_MS) return false;
  await voidUnheardAuthorization(deps, { organizationId, authorizationId, standing });
  return true;
}
