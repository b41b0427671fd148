import type { Knex } from 'knex';
import type { Clock } from '../shared/clock';
import { findOverdueHolds } from './authorization-work.repository';
import { expireAuthorization } from './expire-authorization';

export interface SweepExpiredHoldsDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
}

const BATCH = 200;
/** The workflow's own alarm comes first; the sweeper finds what no alarm reached. */
const GRACE_MS = 5_000;

/**
 * Ends holds whose deadline row has passed. Returns how many it looked at. One that fails does not keep the others behind
 * it: all are tried, then the first failure is thrown, so that it is seen.
 */
export async function sweepExpiredHolds(deps: SweepExpiredHoldsDeps): Promise<number> {
  const due = await findOverdueHolds(deps.workerKnex, new Date(deps.clock.now().getTime() - GRACE_MS), BATCH);
  const failures: unknown[] = [];
  for (const { organization_id: organizationId, id: authorizationId } of due) {
    try {
      await expireAuthorization(deps, { organizationId, authorizationId });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return due.length;
}
