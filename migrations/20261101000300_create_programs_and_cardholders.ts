import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE programs (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      state text NOT NULL DEFAULT 'active',
      currency text NOT NULL DEFAULT 'USD',
      processor text NOT NULL DEFAULT 'lithic',
      authorization_path text NOT NULL DEFAULT 'direct',
      policy_version integer NOT NULL DEFAULT 1,
      -- (1 + spread)^t since the program began, in ray: what the cardholder owes is shares × venue index × this factor.
      spread_factor_ray numeric(78,0) NOT NULL DEFAULT 1000000000000000000000000000,
      spread_factor_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT programs_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT programs_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
      CONSTRAINT programs_state_check CHECK (state IN ('active', 'disabled')),
      CONSTRAINT programs_authorization_path_check CHECK (authorization_path IN ('direct', 'workflow'))
    )`);
  await protectTenantTable(knex, 'programs', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'UPDATE'],
    authorizer: ['SELECT'],
  });

  // Policy documents are immutable: a change is a new version, so that a stored decision can name the one it used.
  await knex.raw(`
    CREATE TABLE program_policies (
      organization_id uuid NOT NULL,
      program_id uuid NOT NULL,
      version integer NOT NULL,
      document jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT program_policies_pkey PRIMARY KEY (organization_id, program_id, version),
      CONSTRAINT program_policies_program_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id)
    )`);
  await protectTenantTable(knex, 'program_policies', {
    app: ['SELECT', 'INSERT'],
    worker: ['SELECT'],
    authorizer: ['SELECT'],
  });

  await knex.raw(`
    CREATE TABLE cardholders (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      program_id uuid NOT NULL,
      kind text NOT NULL DEFAULT 'person',
      external_id text,
      kyc_state text NOT NULL DEFAULT 'not_started',
      residence_country text NOT NULL,
      nationality text NOT NULL,
      time_zone text NOT NULL DEFAULT 'Etc/UTC',
      -- Name, birth date, e-mail, phone and address: AES-256-GCM under a data key of this cardholder's own.
      personal_data bytea NOT NULL,
      personal_data_key bytea NOT NULL,
      email_index bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT cardholders_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT cardholders_external_id_key UNIQUE (organization_id, program_id, external_id),
      CONSTRAINT cardholders_program_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id),
      CONSTRAINT cardholders_kyc_state_check CHECK (kyc_state IN
        ('not_started', 'pending', 'in_review', 'approved', 'resubmission_required', 'rejected', 'expired'))
    )`);
  await protectTenantTable(knex, 'cardholders', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT'],
    authorizer: ['SELECT'],
  });

  await knex.raw(`
    CREATE TABLE kyc_cases (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      cardholder_id uuid NOT NULL,
      vendor text NOT NULL,
      applicant_id text,
      state text NOT NULL,
      -- How many times documents were handed in: each is one review at the vendor.
      submission integer NOT NULL DEFAULT 0,
      reasons text[] NOT NULL DEFAULT '{}',
      message text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT kyc_cases_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT kyc_cases_cardholder_key UNIQUE (organization_id, cardholder_id),
      CONSTRAINT kyc_cases_cardholder_fkey FOREIGN KEY (organization_id, cardholder_id) REFERENCES cardholders (organization_id, id)
    )`);
  await protectTenantTable(knex, 'kyc_cases', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE kyc_documents (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      cardholder_id uuid NOT NULL,
      submission integer NOT NULL,
      type text NOT NULL,
      country text NOT NULL,
      file_name text NOT NULL,
      content_type text NOT NULL,
      -- Encrypted like personal_data; emptied once the vendor has confirmed that it holds the document.
      content bytea,
      vendor_document_id text,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT kyc_documents_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT kyc_documents_cardholder_fkey FOREIGN KEY (organization_id, cardholder_id) REFERENCES cardholders (organization_id, id)
    )`);
  await protectTenantTable(knex, 'kyc_documents', { app: ['SELECT', 'INSERT', 'UPDATE'] });

  // From a vendor's own id (applicant, off-ramp order) to the organization and our resource.
  await knex.raw(`
    CREATE TABLE vendor_routes (
      vendor text NOT NULL,
      reference text NOT NULL,
      organization_id uuid NOT NULL,
      resource_id uuid NOT NULL,
      CONSTRAINT vendor_routes_pkey PRIMARY KEY (vendor, reference)
    )`);
  await grantSharedTable(knex, 'vendor_routes', { app: ['SELECT', 'INSERT'], worker: ['SELECT', 'INSERT'] });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE vendor_routes, kyc_documents, kyc_cases, cardholders, program_policies, programs');
}
