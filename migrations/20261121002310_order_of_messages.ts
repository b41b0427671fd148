import type { Knex } from 'knex';

/** Messages come in any order: what one says of a purchase is held against what others say of later moments. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE card_messages
      -- The network's own time of what it told; null for what it asked, and for what was written before this was kept.
      ADD COLUMN effective_at timestamptz,
      -- Nothing was left to be cleared after it: an expiry, or a last clearing.
      ADD COLUMN final boolean NOT NULL DEFAULT false`);
  await knex.raw(`CREATE INDEX card_messages_unlinked_index ON card_messages (processor_authorization_id)
    WHERE authorization_id IS NULL`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP INDEX card_messages_unlinked_index');
  await knex.raw('ALTER TABLE card_messages DROP COLUMN effective_at, DROP COLUMN final');
}
