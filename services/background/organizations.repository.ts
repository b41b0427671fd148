import type { Knex } from 'knex';

/** Every organization, oldest first. Needs the worker's role. */
export async function findOrganizationIds(knex: Knex): Promise<string[]> {
  const rows = await knex('organizations').orderBy('id').select<{ readonly id: string }[]>('id');
  return rows.map(({ id }) => id);
}
