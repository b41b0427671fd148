import type { Knex } from 'knex';
import { protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE authorizations (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      card_id uuid NOT NULL,
      program_id uuid NOT NULL,
      vendor text NOT NULL,
      processor_authorization_id text NOT NULL,
      state text NOT NULL,
      decline_reason text,
      currency text NOT NULL,
      -- Cents. requested: what the network asked for; hold: the worst case held (requested + allowances), in USD.
      requested_amount numeric(78,0) NOT NULL,
      approved_amount numeric(78,0) NOT NULL,
      hold_amount numeric(78,0) NOT NULL,
      cleared_amount numeric(78,0) NOT NULL DEFAULT 0,
      reversed_amount numeric(78,0) NOT NULL DEFAULT 0,
      refunded_amount numeric(78,0) NOT NULL DEFAULT 0,
      merchant_amount numeric(78,0) NOT NULL,
      merchant_currency text NOT NULL,
      merchant jsonb NOT NULL,
      channel text NOT NULL,
      -- json, not jsonb: it is written on the hot path, kept to the letter and never searched.
      receipt json NOT NULL,
      occurred_at timestamptz NOT NULL,
      respond_by timestamptz NOT NULL,
      expires_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT authorizations_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT authorizations_processor_key UNIQUE (organization_id, vendor, processor_authorization_id),
      CONSTRAINT authorizations_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT authorizations_state_check CHECK (state IN
        ('declined', 'pending', 'partially_cleared', 'cleared', 'reversed', 'expired')),
      CONSTRAINT authorizations_decline_reason_check CHECK ((state = 'declined') = (decline_reason IS NOT NULL))
    )`);
  // A receipt is a little over 2 kB: compressing it on every insert cost more than the row did, so rows stay whole up to a page.
  await knex.raw('ALTER TABLE authorizations SET (toast_tuple_target = 8160)');
  // Indexes of hot tables that do not serve the hot path leave the organization out: with it, a plan made on an empty table
  // could take one of them for a lookup by key and read a whole organization (measured: 20 ms instead of 0.3).
  await knex.raw('CREATE INDEX authorizations_account_index ON authorizations (account_id, id)');
  await knex.raw(`CREATE INDEX authorizations_expiry_index ON authorizations (expires_at)
    WHERE state IN ('pending', 'partially_cleared')`);
  await protectTenantTable(knex, 'authorizations', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT'],
  });

  // One row per message of a processor, with the answer it got: a repetition finds it, a reused id is refused.
  await knex.raw(`
    CREATE TABLE card_messages (
      organization_id uuid NOT NULL,
      vendor text NOT NULL,
      message_id text NOT NULL,
      content_hash text NOT NULL,
      kind text NOT NULL,
      processor_authorization_id text NOT NULL,
      account_id uuid NOT NULL,
      authorization_id uuid,
      answer jsonb NOT NULL,
      received_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT card_messages_pkey PRIMARY KEY (organization_id, vendor, message_id)
    )`);
  // Reversals and clearings whose authorization has not come yet: it must not be held when it does.
  await knex.raw(`CREATE INDEX card_messages_ended_before_index ON card_messages (processor_authorization_id)
    WHERE authorization_id IS NULL AND kind IN ('reversal', 'clearing')`);
  await protectTenantTable(knex, 'card_messages', {
    app: ['SELECT', 'INSERT'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT'],
  });

  // One part of a funding plan. Held and posted amounts are in base units of \`asset\`; *_usd in cents.
  await knex.raw(`
    CREATE TABLE funding_legs (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      account_id uuid NOT NULL,
      authorization_id uuid,
      card_transaction_id uuid,
      ordinal smallint NOT NULL,
      kind text NOT NULL,
      asset text NOT NULL,
      -- Price at which the leg's tokens cover USD, and the buffer on top that was held.
      price_usd_e8 numeric(78,0) NOT NULL,
      held_amount numeric(78,0) NOT NULL,
      held_usd numeric(78,0) NOT NULL,
      posted_amount numeric(78,0) NOT NULL DEFAULT 0,
      posted_usd numeric(78,0) NOT NULL DEFAULT 0,
      released_amount numeric(78,0) NOT NULL DEFAULT 0,
      released_usd numeric(78,0) NOT NULL DEFAULT 0,
      refunded_amount numeric(78,0) NOT NULL DEFAULT 0,
      refunded_usd numeric(78,0) NOT NULL DEFAULT 0,
      hold_transfer_id uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT funding_legs_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT funding_legs_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT funding_legs_kind_check CHECK (kind IN ('stablecoin_sale', 'loan_draw', 'overdue', 'refund')),
      CONSTRAINT funding_legs_hold_check CHECK (held_amount >= 0 AND released_amount >= 0 AND posted_amount >= 0)
    ) WITH (fillfactor = 80)`);
  await knex.raw('CREATE INDEX funding_legs_authorization_index ON funding_legs (authorization_id)');
  await knex.raw('CREATE INDEX funding_legs_account_index ON funding_legs (account_id)');
  await protectTenantTable(knex, 'funding_legs', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT'],
  });

  // What a scope (account or card) has spent in each window: {"day": {"start", "amount", "count"}, …}. One row per scope, because
  // every authorization counts in all windows at once; a later start begins the count again (cards/rules/limit-counters.ts).
  await knex.raw(`
    CREATE TABLE limit_counters (
      organization_id uuid NOT NULL,
      account_id uuid NOT NULL,
      scope_id uuid NOT NULL,
      windows jsonb NOT NULL,
      CONSTRAINT limit_counters_pkey PRIMARY KEY (organization_id, account_id, scope_id)
    ) WITH (fillfactor = 70)`);
  await protectTenantTable(knex, 'limit_counters', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT', 'INSERT', 'UPDATE'],
  });

  // What the network finally said: clearings, force posts, refunds. Always recorded.
  await knex.raw(`
    CREATE TABLE card_transactions (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      kind text NOT NULL,
      state text NOT NULL,
      account_id uuid NOT NULL,
      card_id uuid NOT NULL,
      program_id uuid NOT NULL,
      authorization_id uuid,
      original_transaction_id uuid,
      vendor text NOT NULL,
      message_id text NOT NULL,
      processor_authorization_id text NOT NULL,
      amount numeric(78,0) NOT NULL,
      currency text NOT NULL,
      merchant_amount numeric(78,0) NOT NULL,
      merchant_currency text NOT NULL,
      merchant jsonb NOT NULL,
      forced boolean NOT NULL DEFAULT false,
      refunded_amount numeric(78,0) NOT NULL DEFAULT 0,
      effective_at timestamptz NOT NULL,
      recorded_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT card_transactions_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT card_transactions_message_key UNIQUE (organization_id, vendor, message_id),
      CONSTRAINT card_transactions_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
      CONSTRAINT card_transactions_kind_check CHECK (kind IN ('clearing', 'refund', 'refund_reversal')),
      CONSTRAINT card_transactions_state_check CHECK (state IN ('posted', 'funded', 'settled')),
      CONSTRAINT card_transactions_amount_check CHECK (amount > 0)
    )`);
  await knex.raw('CREATE INDEX card_transactions_account_index ON card_transactions (organization_id, account_id, id)');
  await knex.raw(
    'CREATE INDEX card_transactions_authorization_index ON card_transactions (organization_id, authorization_id)',
  );
  await knex.raw(
    'CREATE INDEX card_transactions_program_index ON card_transactions (organization_id, program_id, effective_at)',
  );
  await protectTenantTable(knex, 'card_transactions', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  // The part of one clearing (or refund) that one leg carries: each is funded (or bought back) by its own order.
  await knex.raw(`
    CREATE TABLE leg_postings (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      leg_id uuid NOT NULL,
      account_id uuid NOT NULL,
      card_transaction_id uuid NOT NULL,
      kind text NOT NULL,
      asset text NOT NULL,
      amount numeric(78,0) NOT NULL,
      amount_usd numeric(78,0) NOT NULL,
      state text NOT NULL DEFAULT 'posted',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT leg_postings_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT leg_postings_leg_fkey FOREIGN KEY (organization_id, leg_id) REFERENCES funding_legs (organization_id, id),
      CONSTRAINT leg_postings_transaction_fkey FOREIGN KEY (organization_id, card_transaction_id)
        REFERENCES card_transactions (organization_id, id),
      CONSTRAINT leg_postings_kind_check CHECK (kind IN ('stablecoin_sale', 'loan_draw', 'overdue', 'refund')),
      CONSTRAINT leg_postings_state_check CHECK (state IN ('posted', 'funding', 'funded', 'failed'))
    )`);
  await knex.raw('CREATE INDEX leg_postings_transaction_index ON leg_postings (organization_id, card_transaction_id)');
  await knex.raw('CREATE INDEX leg_postings_leg_index ON leg_postings (organization_id, leg_id)');
  await protectTenantTable(knex, 'leg_postings', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(
    'DROP TABLE leg_postings, card_transactions, limit_counters, funding_legs, card_messages, authorizations',
  );
}
