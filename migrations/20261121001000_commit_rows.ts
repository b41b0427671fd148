import type { Knex } from 'knex';

/**
 * What the commit of decisions is handed, as one array of rows each (services/authorizations/authorization-commit.repository.ts).
 * A process that runs sends rows of exactly these attributes: a change is a new type beside the old one, which goes once no
 * process uses it any more.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TYPE authorization_commit_item AS (
      ordinal int, organization_id uuid, account_id uuid, expected_version bigint, program_version bigint,
      respond_by timestamptz, vendor text, message_id text, content_hash text, kind text, processor_authorization_id text,
      ended_before boolean, authorization_id uuid, card_id uuid, program_id uuid, state text, decline_reason text,
      currency text, requested_amount bigint, approved_amount bigint, hold_amount bigint, fee_amount bigint,
      cash_amount bigint, balance bigint, merchant_amount bigint, merchant_currency text, merchant json, channel text,
      avs text, cvc text, occurred_at timestamptz, expires_at timestamptz, loan_hold numeric, holds boolean,
      decided_at timestamptz, account_windows json, card_windows json)`);
  await knex.raw(`
    CREATE TYPE authorization_commit_leg AS (
      ordinal int, leg_id uuid, leg_ordinal smallint, kind text, asset text, amount numeric, amount_usd bigint,
      price_usd_e8 numeric, transfer_id uuid, label text, debit_account_id uuid, debit_key text, credit_account_id uuid)`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TYPE authorization_commit_leg, authorization_commit_item');
}
