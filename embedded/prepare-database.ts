/** One-shot process of the container set-up: creates the roles and the database that the migrations expect. */
import { readDatabasePreparation } from './config';
import { createDatabase, createRoles, databaseExists } from './postgres';

async function main(): Promise<void> {
  const { superuserUrl, name, passwords } = readDatabasePreparation();
  await createRoles(superuserUrl, passwords);
  if (!(await databaseExists(superuserUrl, name))) await createDatabase(superuserUrl, name);
  process.stdout.write(`database ${name} and its roles are there\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
