import type { Knex } from 'knex';
import { grantSharedTable, protectTenantTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  // Raw signed webhooks, stored before they are acted on. The organization is not known yet, hence no tenant column.
  await knex.raw(`
    CREATE TABLE inbox_messages (
      vendor text NOT NULL,
      message_id text NOT NULL,
      content_hash text NOT NULL,
      topic text NOT NULL,
      headers jsonb NOT NULL,
      raw bytea NOT NULL,
      state text NOT NULL DEFAULT 'received',
      attempts integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      detail text,
      received_at timestamptz NOT NULL DEFAULT now(),
      processed_at timestamptz,
      CONSTRAINT inbox_messages_pkey PRIMARY KEY (vendor, message_id),
      CONSTRAINT inbox_messages_state_check CHECK (state IN ('received', 'processed', 'unknown', 'conflict', 'failed'))
    )`);
  await knex.raw(
    `CREATE INDEX inbox_messages_waiting_index ON inbox_messages (next_attempt_at) WHERE state = 'received'`,
  );
  await grantSharedTable(knex, 'inbox_messages', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
  });

  // What Temporal is to be told: written with the effect, relayed afterwards, at least once.
  await knex.raw(`
    CREATE TABLE outbox_commands (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      workflow_type text NOT NULL,
      workflow_id text NOT NULL,
      -- null: only start. Otherwise signal, starting the workflow first when it does not run.
      signal text,
      payload jsonb NOT NULL,
      attempts integer NOT NULL DEFAULT 0,
      available_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      done_at timestamptz,
      failure text,
      CONSTRAINT outbox_commands_pkey PRIMARY KEY (organization_id, id)
    )`);
  await knex.raw(
    'CREATE INDEX outbox_commands_waiting_index ON outbox_commands (available_at, id) WHERE done_at IS NULL',
  );
  await protectTenantTable(knex, 'outbox_commands', {
    app: ['SELECT', 'INSERT'],
    worker: ['SELECT', 'UPDATE', 'DELETE'],
    authorizer: ['INSERT'],
  });

  // What the fintech is told: the object as it was at commit. Ordered per resource by sequence; xid makes a cursor safe.
  await knex.raw(`
    CREATE TABLE events (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      type text NOT NULL,
      resource_kind text NOT NULL,
      resource_id uuid NOT NULL,
      data jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
      CONSTRAINT events_pkey PRIMARY KEY (organization_id, id)
    )`);
  await knex.raw('CREATE INDEX events_resource_index ON events (organization_id, resource_id, id)');
  await protectTenantTable(knex, 'events', { app: ['SELECT', 'INSERT'], worker: ['SELECT'], authorizer: ['INSERT'] });

  // Sequences deadlines and scans of background jobs, so that two workers do not repeat each other's work.
  await knex.raw(`
    CREATE TABLE job_cursors (
      name text NOT NULL,
      value jsonb NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT job_cursors_pkey PRIMARY KEY (name)
    )`);
  await grantSharedTable(knex, 'job_cursors', { worker: ['SELECT', 'INSERT', 'UPDATE'] });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE job_cursors, events, outbox_commands, inbox_messages');
}
