import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { inheritedEnvironment } from './config';
import type { PerRole } from './database-roles';
import { EmbeddedFailure } from './failure';
import { entryCommand, migration } from './process-table';
import { projectRoot } from './project-root';

const failure = z.object({ stdout: z.string(), stderr: z.string() });

/** Brings a database to the newest schema, in a process of its own as in production. */
export async function runMigrations(databaseUrls: PerRole): Promise<void> {
  const [command, ...args] = entryCommand(migration.entry, 'checkout');
  try {
    await promisify(execFile)(command, args, {
      cwd: projectRoot,
      env: { ...inheritedEnvironment(), ...migration.env(databaseUrls) },
    });
  } catch (error) {
    const output = failure.safeParse(error);
    throw new EmbeddedFailure(
      `the migrations failed:\n${output.success ? `${output.data.stdout}${output.data.stderr}` : String(error)}`,
      'if the schema was changed by hand or by another version, `npm run reset` clears the kept state',
      { cause: error },
    );
  }
}
