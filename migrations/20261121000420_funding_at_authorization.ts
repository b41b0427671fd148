import type { Knex } from 'knex';

/** Purchases that are funded right after approval: what was set aside for the network, and what of it was given back. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE authorizations
      -- Cents that were sold or drawn for the purchase and that the network has not cleared yet.
      ADD COLUMN reserved_amount numeric(78,0) NOT NULL DEFAULT 0`);
  await knex.raw(`
    ALTER TABLE card_transactions
      DROP CONSTRAINT card_transactions_kind_check,
      ADD CONSTRAINT card_transactions_kind_check
        CHECK (kind IN ('clearing', 'refund', 'refund_reversal', 'reservation', 'reservation_return'))`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE card_transactions
      DROP CONSTRAINT card_transactions_kind_check,
      ADD CONSTRAINT card_transactions_kind_check CHECK (kind IN ('clearing', 'refund', 'refund_reversal'))`);
  await knex.raw('ALTER TABLE authorizations DROP COLUMN reserved_amount');
}
