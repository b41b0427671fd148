import type { Knex } from 'knex';

/**
 * What accounts had spent stood in `limit_counters` until 20261121000100, which found none to move: row level security holds for
 * the owner too. An account that has spent since has its own, and keeps them.
 */
export async function up(knex: Knex): Promise<void> {
  const read = ['accounts', 'limit_counters'];
  for (const table of read) await knex.raw('ALTER TABLE ?? NO FORCE ROW LEVEL SECURITY', [table]);
  await knex.raw(`UPDATE accounts SET spend_counters = c.windows FROM limit_counters c
    WHERE c.organization_id = accounts.organization_id AND c.account_id = accounts.id AND c.scope_id = accounts.id
      AND accounts.spend_counters IS NULL`);
  await knex.raw('DELETE FROM limit_counters WHERE scope_id = account_id');
  for (const table of read) await knex.raw('ALTER TABLE ?? FORCE ROW LEVEL SECURITY', [table]);
}

/** There is nothing to take back: the counters stand where every release that has this migration reads them. */
export async function down(): Promise<void> {
  await Promise.resolve();
}
