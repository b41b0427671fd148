import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PerRole, perRole } from '../embedded/database-roles';
import { freePort } from '../embedded/free-port';
import {
  createDatabase,
  createRoles,
  databaseUrl,
  removePostgresData,
  roleUrls,
  startPostgres,
} from '../embedded/postgres';
import { runMigrations } from '../embedded/run-migrations';

export interface BenchDatabase {
  readonly urls: PerRole;
  readonly superuserUrl: string;
  readonly serverPid: number;
  stop(): Promise<void>;
}

/** A PostgreSQL of the bench's own, with the newest schema; every commit reaches the disk, as in production. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-bench-'));
  const dataDir = path.join(folder, 'postgres');
  const passwords = perRole(() => randomBytes(12).toString('hex'));
  const postgres = await startPostgres({
    dataDir,
    port: await freePort(),
    superuserPassword: randomBytes(12).toString('hex'),
    logFile: path.join(folder, 'postgres.log'),
  });
  await createRoles(postgres.superuserUrl, passwords);
  await createDatabase(postgres.superuserUrl, 'escudo');
  const urls = roleUrls(postgres.superuserUrl, 'escudo', passwords);
  await runMigrations(urls);
  return {
    urls,
    superuserUrl: databaseUrl(postgres.superuserUrl, 'escudo'),
    serverPid: postgres.pid,
    async stop() {
      await postgres.stop();
      removePostgresData(dataDir);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
