import { execFile } from 'node:child_process';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { downloadEnvironment, type EmbeddedConfig } from './config';
import { EmbeddedFailure } from './failure';
import { tryLock, unlock } from './file-lock';
import { startProcess } from './processes';

/** Newest release of the command line tool that `go install` accepts; it carries server 1.29.1. */
const TEMPORAL_CLI_VERSION = '1.5.1';
/** First server with Update-with-Start generally available. */
const OLDEST_SERVER = [1, 28] as const;
const CONNECT_LIMIT_MS = 4_000;
const DOWNLOAD_LIMIT_MS = 180_000;
const BUILD_LIMIT_MS = 30 * 60_000;

const run = promisify(execFile);

export type Progress = (message: string) => void;

/**
 * Path of a Temporal command line tool with a development server: the one on PATH, the cached one, one from the
 * project's download site, or one built from source by the Go tool chain (3 to 4 minutes on 2 cores, once).
 *
 * @throws {EmbeddedFailure} when none of these ways is open, naming what was tried.
 */
export async function findTemporalBinary(
  config: Pick<EmbeddedConfig, 'cacheDir' | 'searchPath'>,
  onProgress: Progress,
): Promise<string> {
  const onPath = await usableOnPath(config.searchPath, onProgress);
  if (onPath !== null) return onPath;
  const cached = path.join(config.cacheDir, `temporal-${TEMPORAL_CLI_VERSION}-${process.platform}-${process.arch}`);
  if (existsSync(cached)) return cached;
  mkdirSync(config.cacheDir, { recursive: true });
  return withLock(`${cached}.lock`, onProgress, async () => {
    if (existsSync(cached)) return cached;
    const scratch = mkdtempSync(path.join(config.cacheDir, 'temporal-build-'));
    try {
      const tried: string[] = [];
      const found =
        (await download(scratch, tried, onProgress)) ?? (await build(config.searchPath, scratch, tried, onProgress));
      if (found === null) {
        throw new EmbeddedFailure(
          `no Temporal server could be found or made:\n${tried.map((line) => `    - ${line}`).join('\n')}`,
          'install the Temporal command line tool (`brew install temporal`, or https://docs.temporal.io/cli), ' +
            'or install Go 1.24 or newer and start again, or set TEMPORAL_ADDRESS to a running cluster',
        );
      }
      chmodSync(found, 0o755);
      renameSync(found, cached);
      return cached;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}

async function usableOnPath(searchPath: readonly string[], onProgress: Progress): Promise<string | null> {
  const found = findProgram(searchPath, 'temporal');
  if (found === null) return null;
  const server = await serverVersion(found);
  if (server !== null && isRecentEnough(server)) return found;
  onProgress(`ignoring ${found}: server ${server ?? 'of unknown version'} is older than ${OLDEST_SERVER.join('.')}`);
  return null;
}

function findProgram(searchPath: readonly string[], name: string): string | null {
  for (const folder of searchPath) {
    const candidate = path.join(folder, name);
    if (existsSync(candidate) && statSync(candidate).isFile()) return candidate;
  }
  return null;
}

async function serverVersion(binary: string): Promise<string | null> {
  try {
    const { stdout } = await run(binary, ['--version'], { timeout: 10_000 });
    return /Server (\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? null;
  } catch {
    return null;
  }
}

function isRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1]);
}

async function download(scratch: string, tried: string[], onProgress: Progress): Promise<string | null> {
  const platform = process.platform === 'darwin' ? 'darwin' : 'linux';
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const url = `https://temporal.download/cli/archive/v${TEMPORAL_CLI_VERSION}?platform=${platform}&arch=${arch}`;
  onProgress('asking temporal.download for the Temporal server');
  const limit = new AbortController();
  let timer = setTimeout(() => limit.abort(), CONNECT_LIMIT_MS);
  try {
    const response = await fetch(url, { signal: limit.signal });
    clearTimeout(timer);
    if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`);
    timer = setTimeout(() => limit.abort(), DOWNLOAD_LIMIT_MS);
    onProgress('downloading the Temporal server');
    const archive = path.join(scratch, 'temporal.tar.gz');
    await pipeline(Readable.fromWeb(response.body), createWriteStream(archive));
    await run('tar', ['-xzf', archive, '-C', scratch, 'temporal']);
    const binary = path.join(scratch, 'temporal');
    if ((await serverVersion(binary)) === null) throw new Error('what was downloaded does not run');
    return binary;
  } catch (error) {
    const reason = limit.signal.aborted ? 'no answer in time' : describeNetworkError(error);
    tried.push(`downloading from temporal.download: ${reason}`);
    return null;
  } finally {
    clearTimeout(timer);
  }
}

function describeNetworkError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

async function build(
  searchPath: readonly string[],
  scratch: string,
  tried: string[],
  onProgress: Progress,
): Promise<string | null> {
  const go = findProgram([...searchPath, '/usr/local/go/bin', '/opt/homebrew/bin'], 'go');
  if (go === null) {
    tried.push('building from source: the Go tool chain is not installed');
    return null;
  }
  const source = `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`;
  onProgress(`building the Temporal server from source (${source}): takes 3 to 5 minutes, once per machine`);
  const inherited = downloadEnvironment();
  const ownFlags = (await run(go, ['env', 'GOFLAGS'], { env: inherited })).stdout.trim();
  const logFile = path.join(scratch, 'build.log');
  const started = Date.now();
  const compiler = startProcess({
    name: 'go install',
    command: go,
    args: ['install', '-v', source],
    env: {
      ...inherited,
      CGO_ENABLED: '0',
      // Everything lands in the scratch folder, which is removed: the module cache alone is 1.8 GB.
      GOPATH: path.join(scratch, 'go'),
      GOMODCACHE: path.join(scratch, 'modules'),
      GOCACHE: path.join(scratch, 'objects'),
      GOBIN: path.join(scratch, 'bin'),
      // Without it the module cache is read-only and could not be removed.
      GOFLAGS: `${ownFlags} -modcacherw`.trim(),
    },
    cwd: scratch,
    logFile,
  });
  const report = setInterval(() => onProgress(describeBuild(logFile, started)), 10_000);
  const limit = setTimeout(() => void compiler.stop(), BUILD_LIMIT_MS);
  try {
    const exit = await compiler.exited;
    const binary = path.join(scratch, 'bin', 'temporal');
    if (exit.code === 0 && existsSync(binary)) {
      onProgress(`built the Temporal server in ${Math.round((Date.now() - started) / 1000)} s`);
      return binary;
    }
    tried.push(`building from source: go install failed:\n${compiler.lastLogLines(6)}`);
    return null;
  } finally {
    clearInterval(report);
    clearTimeout(limit);
    await compiler.stop();
  }
}

function describeBuild(logFile: string, started: number): string {
  const lines = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n') : [];
  const downloaded = lines.filter((line) => line.startsWith('go: downloading')).length;
  const compiled = lines.length - downloaded;
  const seconds = Math.round((Date.now() - started) / 1000);
  const doing =
    compiled < 2 ? `fetching modules (${downloaded} so far)` : `compiling (${compiled} packages of about 1,300)`;
  return `building the Temporal server: ${seconds} s, ${doing}`;
}

/** Runs `work` while holding the lock; another running holder is waited for. */
async function withLock<T>(lockFile: string, onProgress: Progress, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  let reportedAt = 0;
  while (!tryLock(lockFile)) {
    if (Date.now() - reportedAt > 10_000) {
      reportedAt = Date.now();
      const seconds = Math.round((Date.now() - started) / 1000);
      onProgress(`waiting for another process that is fetching the Temporal server: ${seconds} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  try {
    removeAbandonedScratch(path.dirname(lockFile));
    return await work();
  } finally {
    unlock(lockFile);
  }
}

function removeAbandonedScratch(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('temporal-build-')) rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}
