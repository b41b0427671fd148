import type { Knex } from 'knex';

/** What the network may still say of a purchase after its first message, and what a program charges for it. */
export async function up(knex: Knex): Promise<void> {
  // A purchase that we declined and the network made all the same keeps the reason of our answer and is open again.
  await knex.raw(`
    ALTER TABLE authorizations
      DROP CONSTRAINT authorizations_decline_reason_check,
      ADD CONSTRAINT authorizations_decline_reason_check CHECK (state <> 'declined' OR decline_reason IS NOT NULL),
      -- The network's time of the last total that it told: a message from before it is part of that total already.
      ADD COLUMN advised_at timestamptz`);
  await knex.raw(`
    ALTER TABLE card_transactions
      -- Cents on top of amount that the program charged; of a refund, what was given back of it.
      ADD COLUMN fee_amount numeric(78,0) NOT NULL DEFAULT 0,
      -- Part of amount that was handed out as cash.
      ADD COLUMN cash_amount numeric(78,0) NOT NULL DEFAULT 0`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE card_transactions DROP COLUMN fee_amount, DROP COLUMN cash_amount');
  await knex.raw('ALTER TABLE authorizations DROP COLUMN advised_at');
  await knex.raw(`UPDATE authorizations SET decline_reason = NULL WHERE state <> 'declined'`);
  await knex.raw(`
    ALTER TABLE authorizations
      DROP CONSTRAINT authorizations_decline_reason_check,
      ADD CONSTRAINT authorizations_decline_reason_check CHECK ((state = 'declined') = (decline_reason IS NOT NULL))`);
}
