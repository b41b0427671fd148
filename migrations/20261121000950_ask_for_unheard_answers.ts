import type { Knex } from 'knex';

/**
 * A batch whose answers may not have been heard is asked after at the processor until it is settled. Confirmations of a hold
 * are found by the authorization that the network's later messages name.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE outbox_batches
      -- When the processor is asked next what became of the holds; null: not asked yet.
      ADD COLUMN ask_at timestamptz,
      ADD COLUMN asked integer NOT NULL DEFAULT 0,
      -- Every hold was found heard, or was given back.
      ADD COLUMN resolved_at timestamptz`);
  await knex.raw('DROP INDEX outbox_batches_unanswered_index');
  await knex.raw(`CREATE INDEX outbox_batches_unanswered_index ON outbox_batches (respond_by)
    WHERE answered_at IS NULL AND resolved_at IS NULL`);
  await knex.raw(`CREATE INDEX card_messages_authorization_index ON card_messages (authorization_id)
    WHERE authorization_id IS NOT NULL`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP INDEX card_messages_authorization_index, outbox_batches_unanswered_index');
  await knex.raw('ALTER TABLE outbox_batches DROP COLUMN ask_at, DROP COLUMN asked, DROP COLUMN resolved_at');
  await knex.raw(
    'CREATE INDEX outbox_batches_unanswered_index ON outbox_batches (respond_by) WHERE answered_at IS NULL',
  );
}
