import type { Knex } from 'knex';

/**
 * What the bank has moved for a settlement, so that it can be compared again after a correction, and who accepted a
 * difference that stays.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE settlements
      -- Cents of the program, above zero paid to the network, as booked; null until the bank was seen.
      ADD COLUMN paid_amount numeric(78,0),
      -- Cents that the bank moved under the reference, all programs of the processor together.
      ADD COLUMN bank_amount numeric(78,0),
      ADD COLUMN compared_at timestamptz,
      ADD COLUMN accepted_reason text,
      ADD COLUMN accepted_by uuid,
      ADD COLUMN accepted_at timestamptz,
      ADD CONSTRAINT settlements_accepted_check CHECK ((accepted_reason IS NULL) = (accepted_at IS NULL))`);
  // Row level security holds for the owner too, who would find nothing to fill in.
  const read = ['settlements', 'ledger_transfers'];
  for (const table of read) await knex.raw('ALTER TABLE ?? NO FORCE ROW LEVEL SECURITY', [table]);
  await knex.raw(`
    UPDATE settlements s SET paid_amount = coalesce(
      (SELECT sum(CASE WHEN t.label = 'paid-to-network' THEN t.amount ELSE -t.amount END) FROM ledger_transfers t
        WHERE t.organization_id = s.organization_id AND t.leg_id = s.id
          AND t.label IN ('paid-to-network', 'paid-by-network')), 0)
    WHERE state IN ('paid', 'reconciled')`);
  for (const table of read) await knex.raw('ALTER TABLE ?? FORCE ROW LEVEL SECURITY', [table]);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TABLE settlements DROP COLUMN paid_amount, DROP COLUMN bank_amount, DROP COLUMN compared_at,
    DROP COLUMN accepted_reason, DROP COLUMN accepted_by, DROP COLUMN accepted_at`);
}
