import type { Knex } from 'knex';
import { protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  // `id` is derived from (organization, type, key, asset), so that a writer can name an account without looking it up.
  await knex.raw(`
    CREATE TABLE ledger_accounts (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      type text NOT NULL,
      key text NOT NULL,
      asset text NOT NULL,
      normal text NOT NULL,
      materialised boolean NOT NULL,
      account_id uuid,
      posted_debits numeric(78,0) NOT NULL DEFAULT 0,
      posted_credits numeric(78,0) NOT NULL DEFAULT 0,
      pending_debits numeric(78,0) NOT NULL DEFAULT 0,
      pending_credits numeric(78,0) NOT NULL DEFAULT 0,
      version bigint NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT ledger_accounts_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT ledger_accounts_name_key UNIQUE (organization_id, type, key, asset),
      CONSTRAINT ledger_accounts_asset_fkey FOREIGN KEY (asset) REFERENCES assets (code),
      CONSTRAINT ledger_accounts_normal_check CHECK (normal IN ('debit', 'credit')),
      CONSTRAINT ledger_accounts_counters_check CHECK
        (posted_debits >= 0 AND posted_credits >= 0 AND pending_debits >= 0 AND pending_credits >= 0),
      CONSTRAINT ledger_accounts_funds_not_negative_check CHECK
        (type NOT IN ('cardholder.funds', 'cardholder.collateral') OR posted_credits - posted_debits - pending_debits >= 0)
    ) WITH (fillfactor = 70)`);
  await knex.raw(`CREATE INDEX ledger_accounts_account_index ON ledger_accounts (account_id, type)
    WHERE account_id IS NOT NULL`);
  await protectTenantTable(knex, 'ledger_accounts', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT', 'UPDATE'],
  });

  await knex.raw(`
    CREATE TABLE ledger_transactions (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      template text NOT NULL,
      -- The business key of the effect: the same effect again finds its transaction and posts nothing.
      idempotency_key text NOT NULL,
      effective_at timestamptz NOT NULL,
      recorded_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT ledger_transactions_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT ledger_transactions_idempotency_key UNIQUE (organization_id, idempotency_key)
    )`);
  await protectTenantTable(knex, 'ledger_transactions', {
    app: ['SELECT', 'INSERT'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT'],
  });

  // kind: posted | pending (a hold) | post_pending (all or part of a hold becomes final) | void_pending | expire_pending.
  // A post, void or expiry repeats the hold's accounts and names it; its amount leaves the hold. Nothing is ever changed.
  await knex.raw(`
    CREATE TABLE ledger_transfers (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      transaction_id uuid NOT NULL,
      label text NOT NULL,
      kind text NOT NULL,
      -- No foreign keys to accounts: every transfer of an asset credits the same position row, and the key-share locks that the
      -- checks would take there serialise writers (measured: a seventh of the throughput). The ledger audit checks them instead.
      debit_account_id uuid NOT NULL,
      credit_account_id uuid NOT NULL,
      asset text NOT NULL,
      amount numeric(78,0) NOT NULL,
      pending_transfer_id uuid,
      -- The funding leg, refund or order it belongs to: position must be zero per leg when the leg is finished.
      leg_id uuid,
      recorded_at timestamptz NOT NULL DEFAULT now(),
      xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
      CONSTRAINT ledger_transfers_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT ledger_transfers_transaction_fkey FOREIGN KEY (organization_id, transaction_id)
        REFERENCES ledger_transactions (organization_id, id),
      CONSTRAINT ledger_transfers_amount_check CHECK (amount > 0),
      CONSTRAINT ledger_transfers_two_accounts_check CHECK (debit_account_id <> credit_account_id),
      CONSTRAINT ledger_transfers_kind_check CHECK (kind IN ('posted', 'pending', 'post_pending', 'void_pending', 'expire_pending')),
      CONSTRAINT ledger_transfers_names_hold_check CHECK
        ((kind IN ('post_pending', 'void_pending', 'expire_pending')) = (pending_transfer_id IS NOT NULL))
    )`);
  await knex.raw(
    'CREATE INDEX ledger_transfers_debit_index ON ledger_transfers (organization_id, debit_account_id, xid)',
  );
  await knex.raw(
    'CREATE INDEX ledger_transfers_credit_index ON ledger_transfers (organization_id, credit_account_id, xid)',
  );
  await knex.raw(
    'CREATE INDEX ledger_transfers_transaction_index ON ledger_transfers (organization_id, transaction_id)',
  );
  await knex.raw(`CREATE INDEX ledger_transfers_hold_index ON ledger_transfers (organization_id, pending_transfer_id)
    WHERE pending_transfer_id IS NOT NULL`);
  await knex.raw(
    'CREATE INDEX ledger_transfers_leg_index ON ledger_transfers (organization_id, leg_id) WHERE leg_id IS NOT NULL',
  );
  await protectTenantTable(knex, 'ledger_transfers', {
    app: ['SELECT', 'INSERT'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT'],
  });

  // Grants already withhold UPDATE and DELETE; the trigger holds against the owner too.
  await knex.raw(`
    CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'ledger rows are immutable: % on % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$`);
  for (const table of ['ledger_transactions', 'ledger_transfers']) {
    await knex.raw(`CREATE TRIGGER ${table}_immutable BEFORE UPDATE OR DELETE ON ${table}
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`);
    await knex.raw(`CREATE TRIGGER ${table}_no_truncate BEFORE TRUNCATE ON ${table}
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`);
  }

  // Platform accounts are derived: checkpoint + newer transfers. A checkpoint covers transfers with xid < covers_below_xid,
  // taken at or below pg_snapshot_xmin, because ids and times are not commit order.
  await knex.raw(`
    CREATE TABLE ledger_checkpoints (
      organization_id uuid NOT NULL,
      ledger_account_id uuid NOT NULL,
      covers_below_xid xid8 NOT NULL,
      posted_debits numeric(78,0) NOT NULL,
      posted_credits numeric(78,0) NOT NULL,
      pending_debits numeric(78,0) NOT NULL,
      pending_credits numeric(78,0) NOT NULL,
      recorded_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT ledger_checkpoints_pkey PRIMARY KEY (organization_id, ledger_account_id),
      CONSTRAINT ledger_checkpoints_account_fkey FOREIGN KEY (organization_id, ledger_account_id)
        REFERENCES ledger_accounts (organization_id, id)
    )`);
  await protectTenantTable(knex, 'ledger_checkpoints', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE ledger_checkpoints, ledger_transfers, ledger_transactions, ledger_accounts');
  await knex.raw('DROP FUNCTION refuse_ledger_change');
}
