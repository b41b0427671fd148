import type { Knex } from 'knex';
import { protectTenantTable } from './support/tenant-table';

/**
 * What was held on top of a purchase that was known already, message by message, and whether the answer was heard: a process
 * that died between the commit and its answer leaves a hold that the network does not count.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE authorization_amendments (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      authorization_id uuid NOT NULL,
      account_id uuid NOT NULL,
      vendor text NOT NULL,
      message_id text NOT NULL,
      processor_authorization_id text NOT NULL,
      -- Cents that it approved on top of what was approved before.
      granted numeric(78,0) NOT NULL,
      -- The funding legs that hold them.
      leg_ids uuid[] NOT NULL DEFAULT '{}',
      occurred_at timestamptz NOT NULL,
      respond_by timestamptz NOT NULL,
      -- awaited: not known to have been heard. given: handed to its vendor. counted: the processor counts it. taken_back: it does
      -- not, so that nothing is held for it. overtaken: a later message says what the purchase has come to.
      answer_state text NOT NULL,
      -- While awaited: when the processor is asked next what it made of it.
      ask_at timestamptz,
      asked integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT authorization_amendments_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT authorization_amendments_message_key UNIQUE (organization_id, vendor, message_id),
      CONSTRAINT authorization_amendments_state_check
        CHECK (answer_state IN ('awaited', 'given', 'counted', 'taken_back', 'overtaken')),
      CONSTRAINT authorization_amendments_ask_check CHECK ((answer_state = 'awaited') = (ask_at IS NOT NULL))
    )`);
  await knex.raw(`CREATE INDEX authorization_amendments_awaited_index ON authorization_amendments (ask_at)
    WHERE answer_state = 'awaited'`);
  await knex.raw(`CREATE INDEX authorization_amendments_authorization_index
    ON authorization_amendments (organization_id, authorization_id)`);
  await protectTenantTable(knex, 'authorization_amendments', {
    app: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'UPDATE'],
    authorizer: ['SELECT', 'UPDATE'],
  });
  // A repetition of a message whose hold was taken back is told that it came too late.
  await knex.raw('GRANT UPDATE (answer) ON card_messages TO escudo_app');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('REVOKE UPDATE (answer) ON card_messages FROM escudo_app');
  await knex.raw('DROP TABLE authorization_amendments');
}
