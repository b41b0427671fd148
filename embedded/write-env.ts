/** `npm run sandbox:env`: writes new secrets for docker-compose into `.env`, unless there is one. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { composeEnvironmentFile } from './compose-surroundings';
import { projectRoot } from './project-root';
import { newSecrets } from './secrets';

const file = path.join(projectRoot, '.env');
if (existsSync(file)) {
  process.stderr.write(`${file} exists and is kept: remove it first to get new secrets\n`);
  process.exitCode = 1;
} else {
  writeFileSync(file, composeEnvironmentFile(newSecrets()), { mode: 0o600 });
  process.stdout.write(`wrote ${file}. Next: docker compose up --build\n`);
}
