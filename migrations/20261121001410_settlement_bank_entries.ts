import type { Knex } from 'knex';

/**
 * How much of the bank's statement the last recorded look at a settlement had read. A look reads the bank before it locks the
 * settlement, so one that read earlier may come to be recorded later, and is known by having read less. Settlements that were
 * paid before learn it at their next look: every process is started anew after the migrations, so none has an earlier reading.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE settlements
      -- Entries of the bank under the reference; null until the bank was seen, and where it was seen before that was kept.
      ADD COLUMN bank_entries integer`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE settlements DROP COLUMN bank_entries');
}
