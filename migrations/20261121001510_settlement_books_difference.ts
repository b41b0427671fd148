import type { Knex } from 'knex';

/**
 * What the books lack of what the bank moved for a settlement, where they are not as the settlement says: looks that overlapped
 * have left some so. It is booked on an operator's word only. Nothing is filled in: the next look finds it.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE settlements
      -- Cents, above zero paid to the network; null where the books are as the settlement says.
      ADD COLUMN books_difference numeric(78,0)`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE settlements DROP COLUMN books_difference');
}
