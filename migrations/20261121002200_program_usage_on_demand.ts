import type { Knex } from 'knex';

/** The first authorization under a cap that nobody has summed for sums it itself: it reads what was cleared, and stores what it found. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(
    'CREATE POLICY card_transactions_authorizer ON card_transactions FOR SELECT TO escudo_authorizer USING (true)',
  );
  await knex.raw('GRANT SELECT ON card_transactions TO escudo_authorizer');
  await knex.raw('GRANT INSERT, UPDATE ON program_usage TO escudo_authorizer');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('REVOKE INSERT, UPDATE ON program_usage FROM escudo_authorizer');
  await knex.raw('REVOKE SELECT ON card_transactions FROM escudo_authorizer');
  await knex.raw('DROP POLICY card_transactions_authorizer ON card_transactions');
}
