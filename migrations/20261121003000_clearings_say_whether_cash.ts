import type { Knex } from 'knex';

/** A clearing keeps whether it was cash as a whole, which decides its fee. Null: it is no clearing, or from before that was kept. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE card_transactions ADD COLUMN cash_withdrawal boolean');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE card_transactions DROP COLUMN cash_withdrawal');
}
