import type { Knex } from 'knex';

/**
 * What Temporal was told is removed after a week. Without an index each removal reads the whole table, most of which is told
 * and not yet old. A row enters these once, when it is finished, behind all others; writing one that waits costs nothing.
 * Batches enter only once they may go: one that was never heard of may stay for good, and must not be read at every removal.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`CREATE INDEX outbox_batches_finished_index ON outbox_batches (done_at)
    WHERE done_at IS NOT NULL AND (answered_at IS NOT NULL OR resolved_at IS NOT NULL)`);
  await knex.raw('CREATE INDEX outbox_commands_finished_index ON outbox_commands (done_at) WHERE done_at IS NOT NULL');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP INDEX outbox_batches_finished_index, outbox_commands_finished_index');
}
