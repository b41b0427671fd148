import type { Knex } from 'knex';
import { protectTenantTable } from './support/tenant-table';

/** Rules as versioned documents: drafts, what was in force when, and what a draft would have done to stored traffic. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE control_versions (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      -- program: the whole policy. account, card: its controls.
      scope_kind text NOT NULL,
      scope_id uuid NOT NULL,
      -- Counts the versions of one scope from 1, drafts included.
      version integer NOT NULL,
      state text NOT NULL,
      document jsonb NOT NULL,
      note text NOT NULL DEFAULT '',
      -- The version that was in force when this one was drafted; null: the first of its scope.
      base_version integer,
      -- The older version whose document this one brings back.
      restores_version integer,
      -- API keys; null: recorded by us, of what was in force before the first change.
      created_by uuid,
      promoted_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      promoted_at timestamptz,
      -- When all of it takes effect: later than promoted_at while something looser waits for the cooling-off.
      effective_at timestamptz,
      -- What it became: programs.policy_version, or controls_version of the account or card.
      applied_version integer,
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT control_versions_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT control_versions_version_key UNIQUE (organization_id, scope_kind, scope_id, version),
      CONSTRAINT control_versions_scope_kind_check CHECK (scope_kind IN ('program', 'account', 'card')),
      CONSTRAINT control_versions_state_check CHECK (state IN ('draft', 'active', 'scheduled', 'superseded', 'discarded')),
      CONSTRAINT control_versions_promoted_check CHECK
        ((state IN ('active', 'scheduled', 'superseded')) = (promoted_at IS NOT NULL) OR state = 'discarded')
    )`);
  await knex.raw(`CREATE UNIQUE INDEX control_versions_active_key ON control_versions (organization_id, scope_kind, scope_id)
    WHERE state = 'active'`);
  await knex.raw(`CREATE UNIQUE INDEX control_versions_scheduled_key ON control_versions (organization_id, scope_kind, scope_id)
    WHERE state = 'scheduled'`);
  await knex.raw(
    `CREATE INDEX control_versions_due_index ON control_versions (effective_at) WHERE state = 'scheduled'`,
  );
  await protectTenantTable(knex, 'control_versions', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE backtests (
      organization_id uuid NOT NULL,
      id uuid NOT NULL,
      control_version_id uuid NOT NULL,
      state text NOT NULL,
      period_from timestamptz NOT NULL,
      period_before timestamptz NOT NULL,
      -- The last authorization, and the last event about one, that was replayed, and up to when.
      authorization_cursor uuid,
      event_cursor uuid,
      cursor_at timestamptz,
      examined integer NOT NULL DEFAULT 0,
      -- Totals so far; whole once the state is finished.
      result jsonb NOT NULL DEFAULT '{}',
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz,
      finished_at timestamptz,
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT backtests_pkey PRIMARY KEY (organization_id, id),
      CONSTRAINT backtests_version_fkey FOREIGN KEY (organization_id, control_version_id)
        REFERENCES control_versions (organization_id, id),
      CONSTRAINT backtests_state_check CHECK (state IN ('requested', 'running', 'finished', 'cancelled')),
      CONSTRAINT backtests_period_check CHECK (period_from < period_before)
    )`);
  await knex.raw('CREATE INDEX backtests_version_index ON backtests (organization_id, control_version_id, id)');
  await protectTenantTable(knex, 'backtests', { app: ['SELECT', 'INSERT', 'UPDATE'], worker: ['SELECT'] });

  // Where a run that is under way stands, so that any worker can go on with it. Emptied when it ends.
  await knex.raw(`
    CREATE TABLE backtest_counters (
      organization_id uuid NOT NULL,
      backtest_id uuid NOT NULL,
      -- An account, a card, or the program.
      scope_id uuid NOT NULL,
      -- What it has spent along the history as the draft would have made it; null: nothing yet.
      windows jsonb,
      time_zone text NOT NULL,
      CONSTRAINT backtest_counters_pkey PRIMARY KEY (organization_id, backtest_id, scope_id)
    )`);
  await protectTenantTable(knex, 'backtest_counters', { app: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] });
  await knex.raw(`
    CREATE TABLE backtest_changes (
      organization_id uuid NOT NULL,
      backtest_id uuid NOT NULL,
      authorization_id uuid NOT NULL,
      -- Cents that the draft approves where the stored decision approved another amount.
      approved_amount numeric(78,0) NOT NULL,
      CONSTRAINT backtest_changes_pkey PRIMARY KEY (organization_id, backtest_id, authorization_id)
    )`);
  await protectTenantTable(knex, 'backtest_changes', { app: ['SELECT', 'INSERT', 'DELETE'] });

  // Whoever may change every level today may go on doing so by versions.
  await knex.raw(`UPDATE api_keys SET scopes = scopes || '{controls:write}'::text[]
    WHERE scopes @> '{programs:write,accounts:write,cards:write}'::text[]`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`UPDATE api_keys SET scopes = array_remove(scopes, 'controls:write')`);
  await knex.raw('DROP TABLE backtest_changes, backtest_counters, backtests, control_versions');
}
