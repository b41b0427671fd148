import type { Knex } from 'knex';

/** A new total has in it what was approved before, heard or not; an amount on top has not. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE authorization_amendments
      -- Null: written before it was kept.
      ADD COLUMN amount_basis text CHECK (amount_basis IN ('total', 'delta'))`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE authorization_amendments DROP COLUMN amount_basis');
}
