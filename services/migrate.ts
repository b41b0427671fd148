import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Knex } from 'knex';
import { loadMigrationConfig } from './config/load-config';
import { createKnex, type SessionLimits } from './database/knex';
import { invariant } from './shared/assert';

const DIRECTORY = path.join(__dirname, '..', 'migrations');

/**
 * Migrations by their name without extension: the compiled folder and the TypeScript one tell the same history to
 * `knex_migrations`.
 */
const migrationSource: Knex.MigrationSource<string> = {
  async getMigrations() {
    return readdirSync(DIRECTORY)
      .filter((file) => /^\d{14}_\w+\.(ts|js)$/.test(file))
      .map((file) => file.replace(/\.(ts|js)$/, ''))
      .sort();
  },
  getMigrationName: (name) => name,
  async getMigration(name) {
    const module: unknown = require(path.join(DIRECTORY, name));
    invariant(isMigration(module), `migration ${name} exports no up and down`);
    return module;
  },
};

function isMigration(module: unknown): module is Knex.Migration {
  return (
    typeof module === 'object' &&
    module !== null &&
    'up' in module &&
    typeof module.up === 'function' &&
    'down' in module &&
    typeof module.down === 'function'
  );
}

/**
 * Brings the database to the newest schema and returns the names of the migrations that ran. The roles of
 * `DATABASE_URL_*` must exist already; the connection must own the schema.
 */
export async function migrateToLatest(connectionString: string, limits?: SessionLimits): Promise<readonly string[]> {
  const knex = createKnex(connectionString, 2, 'escudo-migrate', limits);
  try {
    const [, ran]: [number, string[]] = await knex.migrate.latest({
      migrationSource,
    });
    return ran;
  } finally {
    await knex.destroy();
  }
}

async function main(): Promise<void> {
  const { databaseUrl, limits } = loadMigrationConfig();
  const ran = await migrateToLatest(databaseUrl, limits);
  process.stdout.write(ran.length === 0 ? 'schema is up to date\n' : `migrated: ${ran.join(', ')}\n`);
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
