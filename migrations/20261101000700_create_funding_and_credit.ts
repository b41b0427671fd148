import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE credit_agreements (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      terms_version text NOT NULL,
      -- The yearly rate shown when it was accepted, basis points: the venue's and our spread.
      venue_rate_bps integer NOT NULL,
      spread_bps integer NOT NULL,
      document_sha256 text NOT NULL,
      accepted_at timestamptz NOT NULL,
      CONSTRAINT credit_agreements_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT credit_agreements_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id)
    )`);
  await protectTenantTable(knex, 'credit_agreements', { app: ['SELECT', 'INSERT'], worker: ['SELECT'] });

  // One draw per loan leg (id = the leg's id). Shares start when a borrow is confirmed: owed = shares × venue index × spread factor.
  await knex.raw(`
    CREATE TABLE loan_draws (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      asset text NOT NULL,
      venue text NOT NULL,
      state text NOT NULL,
      principal_posted numeric(78,0) NOT NULL DEFAULT 0,
      principal_confirmed numeric(78,0) NOT NULL DEFAULT 0,
      principal_repaid numeric(78,0) NOT NULL DEFAULT 0,
      interest_posted numeric(78,0) NOT NULL DEFAULT 0,
      interest_repaid numeric(78,0) NOT NULL DEFAULT 0,
      shares numeric(78,0) NOT NULL DEFAULT 0,
      venue_index_ray numeric(78,0),
      program_index_ray numeric(78,0),
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT loan_draws_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT loan_draws_leg_fkey FOREIGN KEY (organization_id, id) REFERENCES funding_legs (organization_id, id),
      CONSTRAINT loan_draws_state_check CHECK (state IN ('requested', 'submitted', 'confirmed', 'failed', 'repaid'))
    )`);
  await knex.raw('CREATE INDEX loan_draws_account_index ON loan_draws (organization_id, account_id, id)');
  await protectTenantTable(knex, 'loan_draws', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  // A borrow on chain for one posting of a draw.
  await knex.raw(`
    CREATE TABLE draw_orders (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      draw_id uuid NOT NULL,
      account_id uuid NOT NULL,
      asset text NOT NULL,
      amount numeric(78,0) NOT NULL,
      state text NOT NULL,
      attempt integer NOT NULL DEFAULT 1,
      transaction_hash text,
      block_number bigint,
      failure text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT draw_orders_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT draw_orders_posting_fkey FOREIGN KEY (organization_id, id) REFERENCES leg_postings (organization_id, id),
      CONSTRAINT draw_orders_draw_fkey FOREIGN KEY (organization_id, draw_id) REFERENCES loan_draws (organization_id, id),
      CONSTRAINT draw_orders_state_check CHECK (state IN ('requested', 'submitted', 'confirmed', 'failed'))
    )`);
  await protectTenantTable(knex, 'draw_orders', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  // A sale of tokens for fiat for one posting (id = the posting's id).
  await knex.raw(`
    CREATE TABLE sale_orders (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      leg_id uuid NOT NULL,
      account_id uuid NOT NULL,
      asset text NOT NULL,
      amount numeric(78,0) NOT NULL,
      covers_usd numeric(78,0) NOT NULL,
      state text NOT NULL,
      attempt integer NOT NULL DEFAULT 1,
      quoted_gross_usd numeric(78,0),
      gross_usd numeric(78,0),
      fee_usd numeric(78,0),
      vendor text NOT NULL,
      vendor_order_id text,
      deposit_address text,
      transaction_hash text,
      return_transaction_hash text,
      bank_reference text,
      failure text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT sale_orders_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT sale_orders_posting_fkey FOREIGN KEY (organization_id, id) REFERENCES leg_postings (organization_id, id),
      CONSTRAINT sale_orders_state_check CHECK (state IN ('requested', 'submitted', 'paid_out', 'returned', 'unknown'))
    )`);
  await knex.raw('CREATE INDEX sale_orders_vendor_index ON sale_orders (vendor, vendor_order_id)');
  await protectTenantTable(knex, 'sale_orders', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE repayments (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      asset text NOT NULL,
      source text NOT NULL,
      amount numeric(78,0) NOT NULL,
      state text NOT NULL,
      venue_amount numeric(78,0),
      transaction_hash text,
      refund_id uuid,
      failure text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT repayments_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT repayments_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT repayments_source_check CHECK (source IN ('funds', 'refund')),
      CONSTRAINT repayments_state_check CHECK (state IN ('requested', 'submitted', 'confirmed', 'failed')),
      CONSTRAINT repayments_amount_check CHECK (amount > 0)
    )`);
  await knex.raw('CREATE INDEX repayments_account_index ON repayments (organization_id, account_id, id)');
  await protectTenantTable(knex, 'repayments', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE deposit_addresses (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      chain_id integer NOT NULL,
      address text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT deposit_addresses_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT deposit_addresses_account_key UNIQUE (organization_id, account_id, chain_id),
      CONSTRAINT deposit_addresses_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id)
    )`);
  await protectTenantTable(knex, 'deposit_addresses', { app: ['SELECT', 'INSERT'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE address_routes (
      chain_id integer NOT NULL,
      address text NOT NULL,
      organization_id uuid NOT NULL,
      account_id uuid,
      purpose text NOT NULL,
      CONSTRAINT address_routes_pkey PRIMARY KEY (chain_id, address),
      CONSTRAINT address_routes_purpose_check CHECK (purpose IN ('deposit', 'treasury', 'operating'))
    )`);
  await grantSharedTable(knex, 'address_routes', { app: ['SELECT', 'INSERT'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE deposits (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      chain_id integer NOT NULL,
      asset text NOT NULL,
      amount numeric(78,0) NOT NULL,
      from_address text NOT NULL,
      to_address text NOT NULL,
      transaction_hash text NOT NULL,
      receipt_position integer NOT NULL,
      block_hash text NOT NULL,
      block_number bigint NOT NULL,
      state text NOT NULL,
      sweep_transaction_hash text,
      credited_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT deposits_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT deposits_transfer_key UNIQUE (organization_id, chain_id, transaction_hash, receipt_position),
      CONSTRAINT deposits_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT deposits_state_check CHECK (state IN ('seen', 'confirmed', 'credited', 'dropped')),
      CONSTRAINT deposits_amount_check CHECK (amount > 0)
    )`);
  await knex.raw('CREATE INDEX deposits_account_index ON deposits (organization_id, account_id, id)');
  await protectTenantTable(knex, 'deposits', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE collateral_operations (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      kind text NOT NULL,
      asset text NOT NULL,
      amount numeric(78,0) NOT NULL,
      state text NOT NULL,
      transaction_hash text,
      failure text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT collateral_operations_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT collateral_operations_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT collateral_operations_kind_check CHECK (kind IN ('pledge', 'release')),
      CONSTRAINT collateral_operations_state_check CHECK (state IN ('requested', 'submitted', 'confirmed', 'failed')),
      CONSTRAINT collateral_operations_amount_check CHECK (amount > 0)
    )`);
  await knex.raw(
    'CREATE INDEX collateral_operations_account_index ON collateral_operations (organization_id, account_id, id)',
  );
  await protectTenantTable(knex, 'collateral_operations', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  // Tax lots: what was acquired at which basis, and what each disposal took from them, first in first out.
  await knex.raw(`
    CREATE TABLE tax_lots (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      asset text NOT NULL,
      quantity numeric(78,0) NOT NULL,
      remaining numeric(78,0) NOT NULL,
      basis_price_usd_e8 numeric(78,0) NOT NULL,
      price_source text NOT NULL,
      source text NOT NULL,
      source_id uuid NOT NULL,
      acquired_at timestamptz NOT NULL,
      CONSTRAINT tax_lots_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT tax_lots_source_key UNIQUE (organization_id, source, source_id),
      CONSTRAINT tax_lots_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT tax_lots_remaining_check CHECK (remaining >= 0 AND remaining <= quantity)
    )`);
  await knex.raw('CREATE INDEX tax_lots_account_index ON tax_lots (organization_id, account_id, asset, acquired_at)');
  await protectTenantTable(knex, 'tax_lots', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE tax_disposals (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      asset text NOT NULL,
      -- null: more was disposed of than lots were known for.
      lot_id uuid,
      quantity numeric(78,0) NOT NULL,
      basis_usd numeric(78,0) NOT NULL,
      proceeds_usd numeric(78,0) NOT NULL,
      fee_usd numeric(78,0) NOT NULL DEFAULT 0,
      price_source text NOT NULL,
      source text NOT NULL,
      source_id uuid NOT NULL,
      ordinal integer NOT NULL,
      disposed_at timestamptz NOT NULL,
      CONSTRAINT tax_disposals_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT tax_disposals_source_key UNIQUE (organization_id, source, source_id, ordinal)
    )`);
  await protectTenantTable(knex, 'tax_disposals', { app: ['SELECT', 'INSERT'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE settlements (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      program_id uuid NOT NULL,
      date date NOT NULL,
      state text NOT NULL,
      network_amount numeric(78,0),
      ledger_amount numeric(78,0),
      bank_reference text,
      difference text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT settlements_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT settlements_date_key UNIQUE (organization_id, program_id, date),
      CONSTRAINT settlements_state_check CHECK (state IN ('open', 'closed', 'paid', 'reconciled'))
    )`);
  await protectTenantTable(knex, 'settlements', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`DROP TABLE settlements, tax_disposals, tax_lots, collateral_operations, deposits, address_routes,
    deposit_addresses, repayments, sale_orders, draw_orders, loan_draws, credit_agreements`);
}
