import type { Knex } from 'knex';

/** What the funding plan and its payouts need: whose currency a stablecoin is, and one payout for each entry at the bank. */
export async function up(knex: Knex): Promise<void> {
  // Purchases use the stablecoins of the card's own currency first (funding/rules/funding-policy.ts).
  await knex.raw('ALTER TABLE assets ADD COLUMN pegged_to text REFERENCES assets (code)');
  await knex.raw(`UPDATE assets SET pegged_to = CASE code WHEN 'USDC' THEN 'USD' WHEN 'EURC' THEN 'EUR' END
    WHERE code IN ('USDC', 'EURC')`);
  await knex.raw(`ALTER TABLE assets ADD CONSTRAINT assets_pegged_check
    CHECK (pegged_to IS NULL OR kind = 'stablecoin')`);

  // Two sales that name one reference would both take the one entry that the bank has for them.
  await knex.raw(`CREATE UNIQUE INDEX sale_orders_bank_reference_key ON sale_orders (vendor, bank_reference)
    WHERE bank_reference IS NOT NULL`);
  // Accounts to collect from, what of each is overdue, and for what.
  await knex.raw('CREATE INDEX accounts_overdue_index ON accounts (id) WHERE overdue_amount > 0');
  await knex.raw(`CREATE INDEX leg_postings_overdue_index ON leg_postings (account_id)
    WHERE (kind = 'overdue' AND state IN ('posted', 'funding')) OR (kind = 'loan_draw' AND state = 'failed')`);

  // How often each may be tried: an operator's word adds to it. A try has an order and chain intents of its own.
  await knex.raw('ALTER TABLE sale_orders ADD COLUMN attempts_allowed integer NOT NULL DEFAULT 3');
  await knex.raw('ALTER TABLE repayments ADD COLUMN attempts_allowed integer NOT NULL DEFAULT 1');
  await knex.raw('ALTER TABLE deposits ADD COLUMN sweeps_allowed integer NOT NULL DEFAULT 1');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE deposits DROP COLUMN sweeps_allowed');
  await knex.raw('ALTER TABLE repayments DROP COLUMN attempts_allowed');
  await knex.raw('ALTER TABLE sale_orders DROP COLUMN attempts_allowed');
  await knex.raw('DROP INDEX leg_postings_overdue_index, accounts_overdue_index, sale_orders_bank_reference_key');
  await knex.raw('ALTER TABLE assets DROP COLUMN pegged_to');
}
