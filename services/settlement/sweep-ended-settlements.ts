import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { compareBooks } from './compare-books';
import { findEndedApart } from './settlement.repository';

export interface SweepEndedSettlementsDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
}

const BATCH = 100;
/** Nothing but corrections is booked for a settlement that is over: what is wrong with one was so when it ended, and is found soon. */
const LOOKED_AT_FOR_MS = 90 * 86_400_000;

/**
 * Finds settlements that are over while the books have another amount than they say, which no look of their own would come upon,
 * and has that shown. Returns of how many. One that fails does not keep the others behind it: all are tried, then the first
 * failure is thrown, so that it is seen.
 */
export async function sweepEndedSettlements(deps: SweepEndedSettlementsDeps): Promise<number> {
  const since = new Date(deps.clock.now().getTime() - LOOKED_AT_FOR_MS);
  const failures: unknown[] = [];
  let shown = 0;
  for (const found of await findEndedApart(deps.workerKnex, since, BATCH)) {
    const { organization_id: organizationId, id: settlementId } = found;
    try {
      const isNews = await inOrganization(deps.knex, organizationId, (trx) =>
        compareBooks(trx, deps, { organizationId, settlementId }),
      );
      if (isNews) shown += 1;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return shown;
}
