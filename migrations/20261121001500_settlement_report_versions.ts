import type { Knex } from 'knex';

/**
 * Which version of the network's report the last recorded look at a settlement had read. A look reads the report before it locks
 * the settlement, so one that read an earlier version may come to be recorded later, and is known by it. Settlements that were
 * looked at before learn it at their next look: every process is started anew after the migrations, so none has an earlier reading.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE settlements
      -- When the network last changed the report; null until one was compared, and where it was before that was kept.
      ADD COLUMN report_updated_at timestamptz`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE settlements DROP COLUMN report_updated_at');
}
