import type { Knex } from 'knex';
import type { Processor } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { inLanes } from '../shared/in-lanes';
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
  readonly processor: Pick<Processor, 'vendor' | 'findAuthorization'>;
}

const BATCHES = 50;
/** Holds that are asked after at once. */
const CONCURRENCY = 8;
const LEASE_MS = 60_000;

type Hold = UnheardBatch['holds'][number];

/**
 * Settles batches whose answers may never have reached the network, because the process that gave them died or was too
 * late: for each hold the processor is asked what became of it. What it approved stays held; what it declined or never
 * recorded is given back; where it does not say, it is asked again later. Returns how many batches are settled.
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
  if (hold === undefined || hold.state !== 'pending') return true;
  if (hold.vendor !== deps.processor.vendor) return false;
  const found = await deps.processor.findAuthorization(hold.processor_authorization_id);
  if (found.kind !== 'ok') return false;
  if (found.value?.outcome === 'approved') return true;
  const sinceDueMs = deps.clock.now().getTime() - batch.respond_by.getTime();
  if (found.value === null && sinceDueMs < RECORDED_BY_THEN_MS) return false;
  await voidUnheardAuthorization(deps, { organizationId, authorizationId });
  return true;
}
