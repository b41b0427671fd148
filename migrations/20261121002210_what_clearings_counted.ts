import type { Knex } from 'knex';

/**
 * What limits counted when a clearing posted, and whether a message opened a purchase again that had ended: what is given back later, and
 * the sums of programs, follow from both. Null in rows of before it was kept.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE card_transactions
      -- Cents above what was counted of the purchase before, counted in the windows open then.
      ADD COLUMN counted_amount numeric(78,0),
      -- Nothing of the purchase was counted: it counted as one then.
      ADD COLUMN counted_as_purchase boolean`);
  await knex.raw('ALTER TABLE authorization_amendments ADD COLUMN opened_again boolean');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE authorization_amendments DROP COLUMN opened_again');
  await knex.raw('ALTER TABLE card_transactions DROP COLUMN counted_amount, DROP COLUMN counted_as_purchase');
}
