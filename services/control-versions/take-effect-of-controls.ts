import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { findDueVersions } from './control-version.repository';
import { openScope } from './open-scope';

const BATCH = 200;

/**
 * Tidies what waited for a cooling-off that is over: decisions have gone by it since its deadline, now the rows say so
 * too, and the fintech is told. Returns how many were due. One that fails does not keep the others: all are tried, then
 * the first failure is thrown.
 */
export async function takeEffectOfControls(deps: {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
}): Promise<number> {
  const now = deps.clock.now();
  const due = await findDueVersions(deps.workerKnex, now, BATCH);
  const failures: unknown[] = [];
  for (const { organization_id: organizationId, scope_kind: kind, scope_id: id } of due) {
    try {
      await inOrganization(deps.knex, organizationId, (trx) => openScope(trx, organizationId, { kind, id }, now));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return due.length;
}
