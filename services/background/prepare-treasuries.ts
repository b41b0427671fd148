import type { Knex } from 'knex';
import type { StepResult } from '../shared/step';
import { findOrganizationIds } from './organizations.repository';

/**
 * Has every organization made able to move money. Those in `prepared` are left out and those that get there are added, so
 * that an idle run costs one query; a new process asks once more, which changes nothing.
 */
export async function prepareTreasuries(
  deps: {
    readonly workerKnex: Knex;
    readonly prepare: (input: { readonly organizationId: string }) => Promise<StepResult>;
  },
  prepared: Set<string>,
): Promise<void> {
  for (const organizationId of await findOrganizationIds(deps.workerKnex)) {
    if (prepared.has(organizationId)) continue;
    const step = await deps.prepare({ organizationId });
    if (step.done) prepared.add(organizationId);
  }
}
