import type { Knex } from 'knex';

/** The fee of a purchase and what was counted of it are asked for by the processor's number, and by what a refund gives back of. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw('CREATE INDEX card_transactions_processor_index ON card_transactions (processor_authorization_id)');
  await knex.raw(`CREATE INDEX card_transactions_original_index ON card_transactions (original_transaction_id)
    WHERE original_transaction_id IS NOT NULL`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP INDEX card_transactions_processor_index');
  await knex.raw('DROP INDEX card_transactions_original_index');
}
