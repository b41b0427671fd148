import type { Knex } from 'knex';

/**
 * Every answer on a known purchase leaves its receipt: also what came too late to be decided, what was not about the purchase's
 * amount, and a total that is no more than before, which asks for nothing and gives back the difference.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE authorization_amendments
      -- Cents that a told total gave back, 0 where it is the same; null: the message told none that is no more than before.
      ADD COLUMN given_back numeric(78,0)`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE authorization_amendments DROP COLUMN given_back');
}
