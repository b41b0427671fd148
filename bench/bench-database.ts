import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
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
import { temporaryFolder } from '../embedded/temporary-folder';

export interface BenchDatabase {
  readonly urls: PerRole;
  readonly superuserUrl: string;
  readonly serverPid: number;
  stop(): Promise<void>;
}

/** Files of the write-ahead log made beforehand, 16 MB each: more than one run writes. */
const LOG_FILES = 64;

/**
 * A server that has been up for a while writes its log into files that it has used before; a new one makes each of them first,
 * zero by zero, which took a twelfth of its processor time. So the files of one gigabyte are used once, and kept by a checkpoint.
 */
async function useLogOnce(superuserUrl: string): Promise<void> {
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query("ALTER SYSTEM SET min_wal_size = '1GB'");
  await client.query('SELECT pg_reload_conf()');
  for (let file = 0; file < LOG_FILES; file += 1) {
    await client.query("SELECT pg_logical_emit_message(false, 'bench', 'next file')");
    await client.query('SELECT pg_switch_wal()');
  }
  await client.query('CHECKPOINT');
  await client.end();
}

/** A PostgreSQL of the bench's own, with the newest schema; every commit reaches the disk, as in production. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const folder = temporaryFolder('escudo-bench-');
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
  await useLogOnce(postgres.superuserUrl);
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
