import type { Knex } from 'knex';

type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

/** What each role that serves traffic may do with a table. A role left out gets nothing; `escudo_readonly` always reads. */
export interface TableGrants {
  readonly app?: readonly Privilege[];
  readonly worker?: readonly Privilege[];
  /** The hot path's own role (decision 0001): exactly what its two statements need. Columns narrow an UPDATE or SELECT. */
  readonly authorizer?: readonly Privilege[];
}

/**
 * Puts a tenant table under row level security: `escudo_app` sees one organization per transaction (the setting
 * `app.organization_id`), the cross-organization roles see all, and nobody who serves traffic owns the table.
 * An unset setting reads as an empty string later in a session, hence the nullif.
 */
export async function protectTenantTable(knex: Knex, table: string, grants: TableGrants, column = 'organization_id') {
  const own = `${column} = nullif(current_setting('app.organization_id', true), '')::uuid`;
  await knex.raw(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
  await knex.raw(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
  await knex.raw(`CREATE POLICY ${table}_readonly ON ${table} FOR SELECT TO escudo_readonly USING (true)`);
  await knex.raw(`GRANT SELECT ON ${table} TO escudo_readonly`);
  if (grants.app) {
    await knex.raw(`CREATE POLICY ${table}_app ON ${table} TO escudo_app USING (${own}) WITH CHECK (${own})`);
    await knex.raw(`GRANT ${grants.app.join(', ')} ON ${table} TO escudo_app`);
  }
  if (grants.worker) {
    await knex.raw(`CREATE POLICY ${table}_worker ON ${table} TO escudo_worker USING (true) WITH CHECK (true)`);
    await knex.raw(`GRANT ${grants.worker.join(', ')} ON ${table} TO escudo_worker`);
  }
  if (grants.authorizer) {
    await knex.raw(`CREATE POLICY ${table}_authorizer ON ${table} TO escudo_authorizer USING (true) WITH CHECK (true)`);
    await knex.raw(`GRANT ${grants.authorizer.join(', ')} ON ${table} TO escudo_authorizer`);
  }
}

/** A table that belongs to no organization (assets, prices, routes): plain grants, no row policies. */
export async function grantSharedTable(knex: Knex, table: string, grants: TableGrants) {
  await knex.raw(`GRANT SELECT ON ${table} TO escudo_readonly`);
  if (grants.app) await knex.raw(`GRANT ${grants.app.join(', ')} ON ${table} TO escudo_app`);
  if (grants.worker) await knex.raw(`GRANT ${grants.worker.join(', ')} ON ${table} TO escudo_worker`);
  if (grants.authorizer) await knex.raw(`GRANT ${grants.authorizer.join(', ')} ON ${table} TO escudo_authorizer`);
}
