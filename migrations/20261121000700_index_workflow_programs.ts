import type { Knex } from 'knex';

/** The programs whose requests go by workflow: every api process asks for them each second. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(
    "CREATE INDEX programs_workflow_path_index ON programs (organization_id, id) WHERE authorization_path = 'workflow'",
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP INDEX programs_workflow_path_index');
}
