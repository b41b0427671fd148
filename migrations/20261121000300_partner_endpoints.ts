import type { Knex } from 'knex';
import { protectTenantTable } from './support/tenant-table';

/** Where a program's fintech is asked for its own decision, and why a program or a kind of card was switched off. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE partner_endpoints (
      organization_id uuid NOT NULL,
      -- Another one when an endpoint is removed and made again: what was sealed for the former does not open for it.
      id uuid NOT NULL,
      program_id uuid NOT NULL,
      url text NOT NULL,
      state text NOT NULL DEFAULT 'active',
      -- AES-256-GCM under a data key of the endpoint's own, which the key provider wraps.
      data_key bytea NOT NULL,
      secret bytea NOT NULL,
      secret_version integer NOT NULL DEFAULT 1,
      -- The secret before the last rotation; questions are signed with both until then.
      previous_secret bytea,
      previous_secret_expires_at timestamptz,
      -- What came of the latest question, and the circuit breaker as the process that asked it saw it.
      last_asked_at timestamptz,
      last_cause text,
      last_detail text,
      last_latency_ms integer,
      breaker_state text NOT NULL DEFAULT 'closed',
      breaker_changed_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT partner_endpoints_pkey PRIMARY KEY (organization_id, program_id),
      CONSTRAINT partner_endpoints_program_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id),
      CONSTRAINT partner_endpoints_state_check CHECK (state IN ('active', 'disabled')),
      CONSTRAINT partner_endpoints_breaker_check CHECK (breaker_state IN ('closed', 'open', 'half_open')),
      CONSTRAINT partner_endpoints_previous_check CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
    )`);
  await protectTenantTable(knex, 'partner_endpoints', {
    app: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    authorizer: ['SELECT'],
  });

  // Why the switch was turned, in the operator's own words.
  await knex.raw('ALTER TABLE programs ADD COLUMN state_reason text');
  await knex.raw('ALTER TABLE card_products ADD COLUMN state_reason text');
  await knex.raw(
    'CREATE INDEX cards_product_index ON cards (organization_id, product_id) WHERE product_id IS NOT NULL',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP INDEX cards_product_index');
  await knex.raw('ALTER TABLE card_products DROP COLUMN state_reason');
  await knex.raw('ALTER TABLE programs DROP COLUMN state_reason');
  await knex.raw('DROP TABLE partner_endpoints');
}
