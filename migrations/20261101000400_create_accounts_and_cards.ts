import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('CREATE SEQUENCE accounts_chain_index_seq AS integer MINVALUE 0 START 0');
  await knex.raw('GRANT USAGE ON SEQUENCE accounts_chain_index_seq TO escudo_app');
  await knex.raw(`
    CREATE TABLE accounts (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      program_id uuid NOT NULL,
      cardholder_id uuid NOT NULL,
      state text NOT NULL DEFAULT 'active',
      -- Index of the derived key (custody port) and the address it gives: deposits arrive there, collateral and debt stand there.
      chain_index integer NOT NULL DEFAULT nextval('accounts_chain_index_seq'),
      address text,
      funding_policy jsonb NOT NULL,
      time_zone text NOT NULL DEFAULT 'Etc/UTC',
      -- Bumped by every writer of something a decision reads; the commit of an authorization checks it.
      version bigint NOT NULL DEFAULT 0,
      -- Aggregates a decision needs without summing rows; the ledger audit recomputes each.
      debt_shares numeric(78,0) NOT NULL DEFAULT 0,
      loan_hold numeric(78,0) NOT NULL DEFAULT 0,
      loan_unconfirmed numeric(78,0) NOT NULL DEFAULT 0,
      overdue_amount numeric(78,0) NOT NULL DEFAULT 0,
      delegation_left numeric(78,0) NOT NULL DEFAULT 0,
      credit_agreement_id uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT accounts_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT accounts_program_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id),
      CONSTRAINT accounts_cardholder_fkey FOREIGN KEY (organization_id, cardholder_id) REFERENCES cardholders (organization_id, id),
      CONSTRAINT accounts_state_check CHECK (state IN ('active', 'suspended', 'closed')),
      CONSTRAINT accounts_debt_shares_check CHECK (debt_shares >= 0),
      CONSTRAINT accounts_loan_hold_check CHECK (loan_hold >= 0),
      CONSTRAINT accounts_loan_unconfirmed_check CHECK (loan_unconfirmed >= 0),
      CONSTRAINT accounts_overdue_check CHECK (overdue_amount >= 0)
    ) WITH (fillfactor = 70)`);
  await knex.raw('CREATE INDEX accounts_cardholder_index ON accounts (organization_id, cardholder_id)');
  await protectTenantTable(knex, 'accounts', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'UPDATE'],
  });

  await knex.raw(`
    CREATE TABLE cards (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      program_id uuid NOT NULL,
      cardholder_id uuid NOT NULL,
      kind text NOT NULL DEFAULT 'virtual',
      state text NOT NULL DEFAULT 'pending',
      memo text NOT NULL DEFAULT '',
      processor text NOT NULL,
      card_token text,
      last_four text,
      network text,
      expiry_month smallint,
      expiry_year smallint,
      controls jsonb NOT NULL DEFAULT '{}',
      controls_version integer NOT NULL DEFAULT 1,
      -- What the processor was last heard to hold the card as; it is told until this is what the column state asks for.
      processor_state text,
      failure text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT cards_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT cards_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT cards_kind_check CHECK (kind IN ('virtual', 'physical')),
      CONSTRAINT cards_state_check CHECK (state IN
        ('pending', 'pending_fulfillment', 'shipped', 'inactive', 'active', 'paused', 'closed'))
    )`);
  await knex.raw('CREATE INDEX cards_account_index ON cards (organization_id, account_id)');
  await protectTenantTable(knex, 'cards', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT'],
  });

  // The entry of the hot path: a message names only the processor's card token.
  await knex.raw(`
    CREATE TABLE card_routes (
      vendor text NOT NULL,
      card_token text NOT NULL,
      organization_id uuid NOT NULL,
      card_id uuid NOT NULL,
      account_id uuid NOT NULL,
      CONSTRAINT card_routes_pkey PRIMARY KEY (vendor, card_token)
    )`);
  await grantSharedTable(knex, 'card_routes', {
    app: ['SELECT', 'INSERT'],
    worker: ['SELECT'],
    authorizer: ['SELECT'],
  });

  // A card's or a cardholder's change is a decision input: it moves the version of the accounts it touches.
  await knex.raw(`
    CREATE FUNCTION bump_account_of_card() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE accounts SET version = version + 1 WHERE organization_id = NEW.organization_id AND id = NEW.account_id;
      RETURN NULL;
    END $$`);
  await knex.raw(
    'CREATE TRIGGER cards_bump_account AFTER UPDATE ON cards FOR EACH ROW EXECUTE FUNCTION bump_account_of_card()',
  );
  await knex.raw(`
    CREATE FUNCTION bump_accounts_of_cardholder() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE accounts SET version = version + 1 WHERE organization_id = NEW.organization_id AND cardholder_id = NEW.id;
      RETURN NULL;
    END $$`);
  await knex.raw(
    'CREATE TRIGGER cardholders_bump_accounts AFTER UPDATE ON cardholders FOR EACH ROW EXECUTE FUNCTION bump_accounts_of_cardholder()',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE card_routes, cards, accounts');
  await knex.raw('DROP SEQUENCE accounts_chain_index_seq');
  await knex.raw('DROP FUNCTION bump_account_of_card, bump_accounts_of_cardholder');
}
