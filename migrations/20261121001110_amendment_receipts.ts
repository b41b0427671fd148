import type { Knex } from 'knex';

/**
 * Every decision on more for a known purchase leaves its receipt, sealed like those of first messages: also what was declined,
 * and what the network told without asking.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE authorization_amendments
      -- The card that was used: another one of the account may ask for more.
      ADD COLUMN card_id uuid,
      -- What the message was: asked for, or told (advice).
      ADD COLUMN kind text NOT NULL DEFAULT 'incremental_authorization',
      -- Of the raw message.
      ADD COLUMN content_hash text,
      ADD COLUMN outcome text NOT NULL DEFAULT 'approved',
      ADD COLUMN decline_reason text,
      -- Cents asked for on top of what the purchase came to before.
      ADD COLUMN requested_amount numeric(78,0) NOT NULL DEFAULT 0,
      ADD COLUMN total_before numeric(78,0) NOT NULL DEFAULT 0,
      -- Canonical JSON. Null: decided before this migration.
      ADD COLUMN receipt text,
      -- The sealed batch that has the receipt as its only leaf.
      ADD COLUMN batch_id uuid,
      -- Nobody waits for an answer to what is told, nor is it of account whether a decline was heard.
      ALTER COLUMN respond_by DROP NOT NULL,
      ALTER COLUMN answer_state DROP NOT NULL,
      ADD CONSTRAINT authorization_amendments_outcome_check
        CHECK (outcome IN ('approved', 'partially_approved', 'declined') AND (outcome = 'declined') = (decline_reason IS NOT NULL))`);
  // Row level security holds for the owner too, who would find nothing to fill in.
  const read = ['authorization_amendments', 'authorizations', 'card_messages'];
  for (const table of read) await knex.raw('ALTER TABLE ?? NO FORCE ROW LEVEL SECURITY', [table]);
  await knex.raw(`UPDATE authorization_amendments m SET card_id = a.card_id, requested_amount = m.granted,
      content_hash = (SELECT c.content_hash FROM card_messages c
        WHERE c.organization_id = m.organization_id AND c.vendor = m.vendor AND c.message_id = m.message_id)
    FROM authorizations a WHERE a.organization_id = m.organization_id AND a.id = m.authorization_id`);
  for (const table of read) await knex.raw('ALTER TABLE ?? FORCE ROW LEVEL SECURITY', [table]);
  await knex.raw(`
    ALTER TABLE authorization_amendments
      ALTER COLUMN card_id SET NOT NULL,
      ALTER COLUMN content_hash SET NOT NULL,
      ALTER COLUMN kind DROP DEFAULT,
      ALTER COLUMN outcome DROP DEFAULT,
      ALTER COLUMN requested_amount DROP DEFAULT,
      ALTER COLUMN total_before DROP DEFAULT`);
  await knex.raw('GRANT INSERT ON receipt_batches TO escudo_app');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('REVOKE INSERT ON receipt_batches FROM escudo_app');
  await knex.raw('ALTER TABLE authorization_amendments NO FORCE ROW LEVEL SECURITY');
  await knex.raw('DELETE FROM authorization_amendments WHERE answer_state IS NULL OR respond_by IS NULL');
  await knex.raw('ALTER TABLE authorization_amendments FORCE ROW LEVEL SECURITY');
  await knex.raw(`
    ALTER TABLE authorization_amendments
      DROP COLUMN card_id, DROP COLUMN kind, DROP COLUMN content_hash, DROP COLUMN outcome, DROP COLUMN decline_reason,
      DROP COLUMN requested_amount, DROP COLUMN total_before, DROP COLUMN receipt, DROP COLUMN batch_id,
      ALTER COLUMN respond_by SET NOT NULL, ALTER COLUMN answer_state SET NOT NULL`);
}
