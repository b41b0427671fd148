import type { Knex } from 'knex';

/** A table's own checks, by the domain that takes their place. */
const COLUMNS: readonly {
  readonly table: string;
  readonly columns: readonly string[];
  readonly domain: string;
  readonly plain: string;
  readonly check: string;
  readonly rule: string;
}[] = [
  {
    table: 'accounts',
    columns: ['state'],
    domain: 'account_state',
    plain: 'text',
    check: 'accounts_state_check',
    rule: "state IN ('active', 'suspended', 'closed')",
  },
  ...['debt_shares', 'loan_hold', 'loan_unconfirmed', 'overdue_amount'].map((column) => ({
    table: 'accounts',
    columns: [column],
    domain: 'amount_not_negative',
    plain: 'numeric(78,0)',
    check: column === 'overdue_amount' ? 'accounts_overdue_check' : `accounts_${column}_check`,
    rule: `${column} >= 0`,
  })),
  {
    table: 'ledger_accounts',
    columns: ['posted_debits', 'posted_credits', 'pending_debits', 'pending_credits'],
    domain: 'amount_not_negative',
    plain: 'numeric(78,0)',
    check: 'ledger_accounts_counters_check',
    rule: 'posted_debits >= 0 AND posted_credits >= 0 AND pending_debits >= 0 AND pending_credits >= 0',
  },
  {
    table: 'ledger_accounts',
    columns: ['normal'],
    domain: 'ledger_side',
    plain: 'text',
    check: 'ledger_accounts_normal_check',
    rule: "normal IN ('debit', 'credit')",
  },
  {
    table: 'ledger_transfers',
    columns: ['kind'],
    domain: 'ledger_transfer_kind',
    plain: 'text',
    check: 'ledger_transfers_kind_check',
    rule: "kind IN ('posted', 'pending', 'post_pending', 'void_pending', 'expire_pending')",
  },
  {
    table: 'ledger_transfers',
    columns: ['amount'],
    domain: 'amount_positive',
    plain: 'numeric(78,0)',
    check: 'ledger_transfers_amount_check',
    rule: 'amount > 0',
  },
  {
    table: 'authorizations',
    columns: ['state'],
    domain: 'authorization_state',
    plain: 'text',
    check: 'authorizations_state_check',
    rule: "state IN ('declined', 'pending', 'partially_cleared', 'cleared', 'reversed', 'expired')",
  },
  {
    table: 'funding_legs',
    columns: ['kind'],
    domain: 'funding_leg_kind',
    plain: 'text',
    check: 'funding_legs_kind_check',
    rule: "kind IN ('stablecoin_sale', 'loan_draw', 'overdue', 'refund')",
  },
  {
    table: 'funding_legs',
    columns: ['held_amount', 'released_amount', 'posted_amount'],
    domain: 'amount_not_negative',
    plain: 'numeric(78,0)',
    check: 'funding_legs_hold_check',
    rule: 'held_amount >= 0 AND released_amount >= 0 AND posted_amount >= 0',
  },
];

/** Each is rewritten once. */
const TABLES = [...new Set(COLUMNS.map(({ table }) => table))];

/**
 * The same rules, no longer read from the catalog's text by every statement: PostgreSQL parses a table's checks anew each time
 * it writes to it, and keeps those of a domain. Of a commit of seventeen purchases that was a tenth (docs/performance.md).
 *
 * A transaction that is named by its authorization has no idempotency key, so the index need not hold it; and a row with its
 * receipt stays whole, where PostgreSQL would try to compress one that is longer than two kilobytes.
 *
 * Stop the processes of older releases first: the tables are rewritten under lock, and they name the index without its
 * condition.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE DOMAIN amount_not_negative AS numeric(78,0) CHECK (VALUE >= 0);
    CREATE DOMAIN amount_positive AS numeric(78,0) CHECK (VALUE > 0);
    CREATE DOMAIN account_state AS text CHECK (VALUE IN ('active', 'suspended', 'closed'));
    CREATE DOMAIN ledger_side AS text CHECK (VALUE IN ('debit', 'credit'));
    CREATE DOMAIN ledger_transfer_kind AS text
      CHECK (VALUE IN ('posted', 'pending', 'post_pending', 'void_pending', 'expire_pending'));
    CREATE DOMAIN authorization_state AS text
      CHECK (VALUE IN ('declined', 'pending', 'partially_cleared', 'cleared', 'reversed', 'expired'));
    CREATE DOMAIN funding_leg_kind AS text CHECK (VALUE IN ('stablecoin_sale', 'loan_draw', 'overdue', 'refund'))`);
  for (const table of TABLES) {
    const changes = COLUMNS.filter((each) => each.table === table).flatMap(({ columns, domain, check }) => [
      `DROP CONSTRAINT ${check}`,
      ...columns.map((column) => `ALTER COLUMN ${column} TYPE ${domain}`),
    ]);
    await knex.raw(`ALTER TABLE ${table} ${changes.join(', ')}`);
  }
  await knex.raw(`
    ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_idempotency_key;
    CREATE UNIQUE INDEX ledger_transactions_idempotency_key ON ledger_transactions (organization_id, idempotency_key)
      WHERE idempotency_key IS NOT NULL;
    ALTER TABLE authorizations SET (toast_tuple_target = 8160)`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE authorizations RESET (toast_tuple_target);
    DROP INDEX ledger_transactions_idempotency_key;
    ALTER TABLE ledger_transactions
      ADD CONSTRAINT ledger_transactions_idempotency_key UNIQUE (organization_id, idempotency_key)`);
  for (const table of TABLES) {
    const changes = COLUMNS.filter((each) => each.table === table).flatMap(({ columns, plain, check, rule }) => [
      ...columns.map((column) => `ALTER COLUMN ${column} TYPE ${plain}`),
      `ADD CONSTRAINT ${check} CHECK (${rule})`,
    ]);
    await knex.raw(`ALTER TABLE ${table} ${changes.join(', ')}`);
  }
  await knex.raw(`DROP DOMAIN amount_not_negative, amount_positive, account_state, ledger_side, ledger_transfer_kind,
    authorization_state, funding_leg_kind`);
}
