import type { Knex } from 'knex';

export type Transaction = Knex.Transaction;

/**
 * Runs `work` in one database transaction that sees one organization only (row level security on
 * `app.organization_id`, set inside the transaction so that a pooled connection cannot leak it).
 */
export async function inOrganization<T>(
  knex: Knex,
  organizationId: string,
  work: (trx: Transaction) => Promise<T>,
): Promise<T> {
  return knex.transaction(async (trx) => {
    await trx.raw("SELECT set_config('app.organization_id', ?, true)", [organizationId]);
    return work(trx);
  });
}
