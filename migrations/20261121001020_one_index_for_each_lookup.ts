import type { Knex } from 'knex';

const KEYS: readonly {
  readonly table: string;
  readonly name: string;
  readonly columns: string;
  readonly before: string;
}[] = [
  {
    table: 'authorizations',
    name: 'authorizations_processor_key',
    columns: 'processor_authorization_id, vendor, organization_id',
    before: 'organization_id, vendor, processor_authorization_id',
  },
  {
    table: 'cardholders',
    name: 'cardholders_external_id_key',
    columns: 'external_id, program_id, organization_id',
    before: 'organization_id, program_id, external_id',
  },
  {
    table: 'ledger_accounts',
    name: 'ledger_accounts_name_key',
    columns: 'type, organization_id, key, asset',
    before: 'organization_id, type, key, asset',
  },
];

const INDEXES = [
  {
    table: 'accounts',
    name: 'accounts_cardholder_index',
    columns: 'cardholder_id, organization_id',
    before: 'organization_id, cardholder_id',
  },
  {
    table: 'cards',
    name: 'cards_account_index',
    columns: 'account_id, organization_id',
    before: 'organization_id, account_id',
  },
] as const;

/**
 * Of a table's indexes only the primary key begins with the organization. The hot path's statements are planned once for each
 * connection, on a new system while the tables are empty: two indexes that begin with the same column then look alike, and
 * the wrong one reads every row of the organization for each purchase, until the statistics come (measured: a core of
 * PostgreSQL, and answers after 100 ms).
 */
export async function up(knex: Knex): Promise<void> {
  for (const { table, name, columns } of KEYS) {
    await knex.raw(`ALTER TABLE ${table} DROP CONSTRAINT ${name}, ADD CONSTRAINT ${name} UNIQUE (${columns})`);
  }
  for (const { table, name, columns } of INDEXES) {
    await knex.raw(`DROP INDEX ${name}; CREATE INDEX ${name} ON ${table} (${columns})`);
  }
}

export async function down(knex: Knex): Promise<void> {
  for (const { table, name, before } of INDEXES) {
    await knex.raw(`DROP INDEX ${name}; CREATE INDEX ${name} ON ${table} (${before})`);
  }
  for (const { table, name, before } of KEYS) {
    await knex.raw(`ALTER TABLE ${table} DROP CONSTRAINT ${name}, ADD CONSTRAINT ${name} UNIQUE (${before})`);
  }
}
