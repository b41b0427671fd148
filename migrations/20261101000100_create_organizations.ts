import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE organizations (
      id uuid NOT NULL,
      name text NOT NULL,
      mode text NOT NULL,
      chain_index integer GENERATED ALWAYS AS IDENTITY,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT organizations_pkey PRIMARY KEY (id),
      CONSTRAINT organizations_chain_index_key UNIQUE (chain_index),
      CONSTRAINT organizations_mode_check CHECK (mode IN ('test', 'live'))
    )`);
  await protectTenantTable(knex, 'organizations', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] }, 'id');

  // A key names its organization here, before any organization is set; the secret's hash stays behind row level security.
  await knex.raw(`
    CREATE TABLE api_key_routes (
      key_id text NOT NULL,
      organization_id uuid NOT NULL,
      CONSTRAINT api_key_routes_pkey PRIMARY KEY (key_id),
      CONSTRAINT api_key_routes_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
    )`);
  await grantSharedTable(knex, 'api_key_routes', { app: ['SELECT', 'INSERT'] });

  await knex.raw(`
    CREATE TABLE api_keys (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      key_id text NOT NULL,
      secret_hmac bytea NOT NULL,
      label text NOT NULL,
      scopes text[] NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      revoked_at timestamptz,
      last_used_at timestamptz,
      CONSTRAINT api_keys_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT api_keys_key_id_key UNIQUE (organization_id, key_id),
      CONSTRAINT api_keys_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
    )`);
  await protectTenantTable(knex, 'api_keys', { app: ['SELECT', 'INSERT', 'UPDATE'] });

  await knex.raw(`
    CREATE TABLE idempotency_keys (
      organization_id uuid NOT NULL,
      key text NOT NULL,
      request_hash text NOT NULL,
      method text NOT NULL,
      path text NOT NULL,
      status integer,
      response jsonb,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organization_id, key),
      CONSTRAINT idempotency_keys_key_length_check CHECK (length(key) BETWEEN 1 AND 255)
    )`);
  await protectTenantTable(knex, 'idempotency_keys', {
    app: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    worker: ['SELECT', 'DELETE'],
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE idempotency_keys, api_keys, api_key_routes, organizations');
}
