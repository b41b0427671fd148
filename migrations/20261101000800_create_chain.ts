import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

/**
 * Transactions that we send (one intent, any number of signed attempts at one nonce) and how far we have read the chain.
 * `chain_cursors` belongs to the chain, not to an organization.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE chain_signers (
      organization_id uuid NOT NULL,
      chain_id bigint NOT NULL,
      address text NOT NULL,
      next_nonce bigint NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT chain_signers_pkey PRIMARY KEY (organization_id, chain_id, address),
      CONSTRAINT chain_signers_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
      CONSTRAINT chain_signers_address_check CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
      CONSTRAINT chain_signers_next_nonce_check CHECK (next_nonce >= 0)
    );

    CREATE TABLE chain_intents (
      organization_id uuid NOT NULL,
      intent_key text NOT NULL,
      chain_id bigint NOT NULL,
      purpose text NOT NULL,
      signer jsonb NOT NULL,
      signer_address text NOT NULL,
      to_address text NOT NULL,
      call_data text NOT NULL,
      call_value numeric(78, 0) NOT NULL,
      state text NOT NULL,
      nonce bigint,
      gas_limit numeric(78, 0),
      problem text,
      cancel_reason text,
      failure_detail text,
      transaction_hash text,
      block_hash text,
      block_number bigint,
      gas_used numeric(78, 0),
      effective_gas_price numeric(78, 0),
      gas_cost numeric(78, 0),
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      CONSTRAINT chain_intents_pkey PRIMARY KEY (organization_id, intent_key),
      CONSTRAINT chain_intents_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
      CONSTRAINT chain_intents_nonce_key UNIQUE (organization_id, chain_id, signer_address, nonce),
      CONSTRAINT chain_intents_state_check
        CHECK (state IN ('queued', 'signed', 'broadcast', 'confirmed', 'reverted', 'failed')),
      CONSTRAINT chain_intents_value_check CHECK (call_value >= 0),
      CONSTRAINT chain_intents_nonce_check
        CHECK ((state = 'queued' AND nonce IS NULL) OR state = 'failed' OR nonce IS NOT NULL),
      CONSTRAINT chain_intents_receipt_check CHECK (
        state NOT IN ('confirmed', 'reverted')
        OR (transaction_hash IS NOT NULL AND block_hash IS NOT NULL AND block_number IS NOT NULL
            AND gas_used IS NOT NULL AND effective_gas_price IS NOT NULL AND gas_cost IS NOT NULL)
      ),
      CONSTRAINT chain_intents_failure_check CHECK (state <> 'failed' OR failure_detail IS NOT NULL)
    );
    CREATE INDEX chain_intents_pending_idx ON chain_intents (updated_at)
      WHERE state IN ('queued', 'signed', 'broadcast');

    CREATE TABLE chain_attempts (
      organization_id uuid NOT NULL,
      intent_key text NOT NULL,
      attempt_number integer NOT NULL,
      kind text NOT NULL,
      transaction_hash text NOT NULL,
      raw_transaction text NOT NULL,
      max_fee_per_gas numeric(78, 0) NOT NULL,
      max_priority_fee_per_gas numeric(78, 0) NOT NULL,
      signed_at timestamptz NOT NULL,
      sent_at timestamptz,
      CONSTRAINT chain_attempts_pkey PRIMARY KEY (organization_id, intent_key, attempt_number),
      CONSTRAINT chain_attempts_hash_key UNIQUE (organization_id, transaction_hash),
      CONSTRAINT chain_attempts_intent_fkey
        FOREIGN KEY (organization_id, intent_key) REFERENCES chain_intents (organization_id, intent_key),
      CONSTRAINT chain_attempts_kind_check CHECK (kind IN ('call', 'cancel'))
    );

    CREATE TABLE chain_cursors (
      chain_id bigint NOT NULL,
      name text NOT NULL,
      block_number bigint NOT NULL,
      block_hash text NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT chain_cursors_pkey PRIMARY KEY (chain_id, name)
    );
  `);
  await protectTenantTable(knex, 'chain_signers', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
  });
  await protectTenantTable(knex, 'chain_intents', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
  });
  await protectTenantTable(knex, 'chain_attempts', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
  });
  await grantSharedTable(knex, 'chain_cursors', { worker: ['SELECT', 'INSERT', 'UPDATE'] });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE chain_cursors, chain_attempts, chain_intents, chain_signers');
}
