/** `npm run replay`: `services/replay.ts` on the database that the environment names, else on that of the stack running here. */
import { existsSync } from 'node:fs';
import { loadReaderConfig } from '../services/config/load-config';
import { replayFromArguments } from '../services/replay';
import { readEmbeddedConfig, readerEnvironment } from './config';
import { describeFailure, EmbeddedFailure } from './failure';
import { databaseUrl, roleUrls, runningPostgresPort } from './postgres';
import { keptSecrets } from './secrets';
import { DATABASE } from './stack';
import { stackFolder } from './stack-folder';

function databaseToRead(): string {
  const environment = readerEnvironment();
  if (environment !== null) return loadReaderConfig(environment).databaseUrl;
  const folder = stackFolder(readEmbeddedConfig().dataDir);
  const port = existsSync(folder.secretsFile) ? runningPostgresPort(folder.postgres) : null;
  if (port === null) {
    throw new EmbeddedFailure(
      'there is no database to read from',
      'start the stack with `npm start` (the same ESCUDO_DATA_DIR, if you gave one), or set DATABASE_URL_READONLY',
    );
  }
  const secrets = keptSecrets(folder.secretsFile);
  const server = `postgres://127.0.0.1:${port}/postgres`;
  return roleUrls(databaseUrl(server, DATABASE), DATABASE, secrets.databasePasswords).escudo_readonly;
}

async function main(): Promise<void> {
  process.exitCode = await replayFromArguments(process.argv.slice(2), databaseToRead(), process.stdout);
}

main().catch((error: unknown) => {
  process.stderr.write(`${describeFailure(error)}\n`);
  process.exitCode = 1;
});
