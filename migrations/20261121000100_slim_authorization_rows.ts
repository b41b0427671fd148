import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

/**
 * The rows that one authorization writes, made fewer and lighter (docs/performance.md): its first message and its answer live in
 * its own row, its first event is read from it, receipts are sealed and workflows started per batch, and hot tables keep only
 * the indexes that somebody asks.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE authorizations
      DROP CONSTRAINT authorizations_account_fkey,
      -- The message that asked for it, so that a repetition finds its answer here. Null: recorded before this migration.
      ADD COLUMN message_id text,
      ADD COLUMN content_hash text,
      ADD COLUMN kind text NOT NULL DEFAULT 'authorization',
      -- What a balance inquiry was answered, cents.
      ADD COLUMN balance numeric(78,0),
      ADD COLUMN cash_amount numeric(78,0) NOT NULL DEFAULT 0,
      -- Fees of the program that the hold carries on top of the purchase, cents.
      ADD COLUMN fee_amount numeric(78,0) NOT NULL DEFAULT 0,
      ADD COLUMN avs text NOT NULL DEFAULT 'not_provided',
      ADD COLUMN cvc text NOT NULL DEFAULT 'not_provided',
      -- The sealed batch of its receipt and its leaf there.
      ADD COLUMN batch_id uuid,
      ADD COLUMN batch_ordinal smallint,
      ALTER COLUMN receipt TYPE text USING receipt::text,
      -- json, not jsonb: what the hot path writes is taken as it comes (turning it into jsonb cost a tenth of the commit).
      ALTER COLUMN merchant TYPE json USING merchant::json`);
  await knex.raw('ALTER TABLE limit_counters ALTER COLUMN windows TYPE json USING windows::json');
  await knex.raw(`
    ALTER TABLE funding_legs DROP CONSTRAINT funding_legs_account_fkey`);
  await knex.raw('DROP INDEX funding_legs_account_index');

  // Nobody asks for the holds of a position or of a leg by transfer: the leg names its hold. Holds are found by transaction.
  await knex.raw('ALTER TABLE ledger_transfers DROP CONSTRAINT ledger_transfers_transaction_fkey');
  await knex.raw('DROP INDEX ledger_transfers_credit_index');
  await knex.raw(`CREATE INDEX ledger_transfers_credit_index ON ledger_transfers (organization_id, credit_account_id, xid)
    WHERE kind <> 'pending'`);
  await knex.raw('DROP INDEX ledger_transfers_leg_index');
  await knex.raw(`CREATE INDEX ledger_transfers_leg_index ON ledger_transfers (organization_id, leg_id)
    WHERE leg_id IS NOT NULL AND kind <> 'pending'`);
  // The hold of an authorization is the transaction with the authorization's own id: the primary key keeps it single.
  await knex.raw('ALTER TABLE ledger_transactions ALTER COLUMN idempotency_key DROP NOT NULL');

  // Everything a decision reads of a program but its spending: moved by a trigger, checked by the commit.
  await knex.raw('ALTER TABLE programs ADD COLUMN version bigint NOT NULL DEFAULT 0');
  await knex.raw(`
    CREATE FUNCTION bump_program() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.version := OLD.version + 1;
      RETURN NEW;
    END $$`);
  await knex.raw('CREATE TRIGGER programs_bump BEFORE UPDATE ON programs FOR EACH ROW EXECUTE FUNCTION bump_program()');

  // A kind of card within a program, with a switch of its own.
  await knex.raw(`
    CREATE TABLE card_products (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      program_id uuid NOT NULL,
      name text NOT NULL,
      kind text NOT NULL DEFAULT 'virtual',
      state text NOT NULL DEFAULT 'active',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT card_products_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT card_products_name_key UNIQUE (organization_id, program_id, name),
      CONSTRAINT card_products_program_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id),
      CONSTRAINT card_products_kind_check CHECK (kind IN ('virtual', 'physical')),
      CONSTRAINT card_products_state_check CHECK (state IN ('active', 'disabled'))
    )`);
  await protectTenantTable(knex, 'card_products', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT'],
  });
  await knex.raw(`
    CREATE FUNCTION bump_program_of_product() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE programs SET updated_at = now() WHERE organization_id = NEW.organization_id AND id = NEW.program_id;
      RETURN NULL;
    END $$`);
  await knex.raw(`CREATE TRIGGER card_products_bump_program AFTER UPDATE ON card_products
    FOR EACH ROW EXECUTE FUNCTION bump_program_of_product()`);

  await knex.raw(`
    ALTER TABLE cards
      ADD COLUMN product_id uuid,
      -- {"controls", "effective_at"}: what the controls become after the program's cooling-off.
      ADD COLUMN pending_controls jsonb,
      ADD CONSTRAINT cards_product_fkey FOREIGN KEY (organization_id, product_id) REFERENCES card_products (organization_id, id)`);
  await knex.raw(`
    ALTER TABLE accounts
      ADD COLUMN controls jsonb NOT NULL DEFAULT '{}',
      ADD COLUMN controls_version integer NOT NULL DEFAULT 1,
      ADD COLUMN pending_controls jsonb,
      -- What the account has spent in each window (cards/rules/limit-counters.ts); cards keep theirs in limit_counters.
      ADD COLUMN spend_counters json`);
  await knex.raw(`
    UPDATE accounts SET spend_counters = c.windows FROM limit_counters c
    WHERE c.organization_id = accounts.organization_id AND c.account_id = accounts.id AND c.scope_id = accounts.id`);
  await knex.raw('DELETE FROM limit_counters WHERE scope_id = account_id');

  // What a program's accounts spent together, at most a second old, where its policy caps it: {"day": {"start", "amount", "count"}, …}.
  await knex.raw(`
    CREATE TABLE program_usage (
      organization_id uuid NOT NULL,
      program_id uuid NOT NULL,
      windows jsonb NOT NULL,
      computed_at timestamptz NOT NULL,
      CONSTRAINT program_usage_pkey PRIMARY KEY (organization_id, program_id),
      CONSTRAINT program_usage_program_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id)
    )`);
  await protectTenantTable(knex, 'program_usage', {
    app: ['SELECT'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    authorizer: ['SELECT'],
  });

  // Receipts of one batch: leaves of one Merkle tree, its root signed once. A batch spans organizations and carries only
  // hashes and public prices, hence no tenant column.
  await knex.raw(`
    CREATE TABLE receipt_batches (
      id uuid NOT NULL,
      -- Prices and reserves that the batch was decided on, canonical JSON; every receipt names its hash.
      market text NOT NULL,
      -- SHA-256 of each receipt, 32 bytes each, in order.
      leaves bytea NOT NULL,
      root bytea NOT NULL,
      signature bytea NOT NULL,
      key_id text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT receipt_batches_pkey PRIMARY KEY (id)
    )`);
  await knex.raw('ALTER TABLE receipt_batches ALTER COLUMN market SET STORAGE EXTERNAL');
  await grantSharedTable(knex, 'receipt_batches', { app: ['SELECT'], worker: ['SELECT'], authorizer: ['INSERT'] });

  // Public halves of the keys that signed receipts, kept for as long as receipts are.
  await knex.raw(`
    CREATE TABLE receipt_keys (
      id text NOT NULL,
      public_key bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      retired_at timestamptz,
      CONSTRAINT receipt_keys_pkey PRIMARY KEY (id)
    )`);
  await grantSharedTable(knex, 'receipt_keys', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT'],
    authorizer: ['SELECT'],
  });

  // One row for a batch of answers: the workflows to start for what was approved, and whether the answers were heard.
  await knex.raw(`
    CREATE TABLE outbox_batches (
      id uuid NOT NULL,
      -- [[organization id, authorization id], …] of the holds that were placed.
      holds jsonb NOT NULL,
      -- When the last of the answers would no longer be heard.
      respond_by timestamptz NOT NULL,
      -- Every answer was handed to its vendor.
      answered_at timestamptz,
      attempts integer NOT NULL DEFAULT 0,
      available_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      -- Every workflow was started.
      done_at timestamptz,
      failure text,
      CONSTRAINT outbox_batches_pkey PRIMARY KEY (id)
    )`);
  await knex.raw(
    'CREATE INDEX outbox_batches_waiting_index ON outbox_batches (available_at, id) WHERE done_at IS NULL',
  );
  await knex.raw(
    'CREATE INDEX outbox_batches_unanswered_index ON outbox_batches (respond_by) WHERE answered_at IS NULL',
  );
  await grantSharedTable(knex, 'outbox_batches', {
    worker: ['SELECT', 'UPDATE', 'DELETE'],
    authorizer: ['SELECT', 'INSERT', 'UPDATE'],
  });

  // Events as they are listed. The first event of an authorization is its row: same id, no row of its own.
  await knex.raw(`
    CREATE VIEW all_events WITH (security_invoker = true) AS
      SELECT organization_id, id, type, resource_kind, resource_id, data, created_at FROM events
      UNION ALL
      SELECT organization_id, id, CASE WHEN decline_reason IS NULL THEN 'authorization.approved' ELSE 'authorization.declined' END,
        'authorization', id, NULL::jsonb, created_at
      FROM authorizations WHERE batch_id IS NOT NULL`);
  await knex.raw('GRANT SELECT ON all_events TO escudo_app, escudo_worker, escudo_readonly');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP VIEW all_events');
  await knex.raw('DROP TABLE outbox_batches, receipt_keys, receipt_batches, program_usage');
  await knex.raw(`INSERT INTO limit_counters (organization_id, account_id, scope_id, windows)
    SELECT organization_id, id, id, spend_counters FROM accounts WHERE spend_counters IS NOT NULL`);
  await knex.raw('ALTER TABLE limit_counters ALTER COLUMN windows TYPE jsonb USING windows::jsonb');
  await knex.raw(`ALTER TABLE accounts DROP COLUMN controls, DROP COLUMN controls_version, DROP COLUMN pending_controls,
    DROP COLUMN spend_counters`);
  await knex.raw('ALTER TABLE cards DROP COLUMN product_id, DROP COLUMN pending_controls');
  await knex.raw('DROP TABLE card_products');
  await knex.raw('DROP TRIGGER programs_bump ON programs');
  await knex.raw('DROP FUNCTION bump_program, bump_program_of_product');
  await knex.raw('ALTER TABLE programs DROP COLUMN version');
  await knex.raw('DROP INDEX ledger_transfers_credit_index, ledger_transfers_leg_index');
  await knex.raw(
    'CREATE INDEX ledger_transfers_credit_index ON ledger_transfers (organization_id, credit_account_id, xid)',
  );
  await knex.raw(
    'CREATE INDEX ledger_transfers_leg_index ON ledger_transfers (organization_id, leg_id) WHERE leg_id IS NOT NULL',
  );
  await knex.raw('CREATE INDEX funding_legs_account_index ON funding_legs (account_id)');
  await knex.raw(`ALTER TABLE authorizations DROP COLUMN message_id, DROP COLUMN content_hash, DROP COLUMN kind, DROP COLUMN balance,
    DROP COLUMN cash_amount, DROP COLUMN fee_amount, DROP COLUMN avs, DROP COLUMN cvc, DROP COLUMN batch_id,
    DROP COLUMN batch_ordinal, ALTER COLUMN receipt TYPE json USING receipt::json, ALTER COLUMN merchant TYPE jsonb USING merchant::jsonb`);
}
