import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { required } from '../services/shared/assert';
import { inheritedEnvironment } from './config';
import { EmbeddedFailure } from './failure';
import { projectRoot } from './project-root';

const LOG_FILE_LIMIT_BYTES = 20 * 1024 * 1024;

const running = new Set<ManagedProcess>();

/** Ends whatever {@link startProcess} started and is still running, the newest first. For the way out after a failure. */
export async function stopAllProcesses(): Promise<void> {
  for (const child of [...running].reverse()) await child.stop();
}

/** Kills them all at once, without waiting. */
export function killAllProcesses(): void {
  for (const child of running) void child.kill('SIGKILL');
}

export interface ProcessSpecification {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** What asks this process to end in order. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** How long it may take over that before it is killed. Default 10 s. */
  readonly stopTimeoutMs?: number;
  /** Called when the process ends without having been asked to through this interface. */
  readonly onUnexpectedExit?: (exit: ProcessExit, lastLogLines: string) => void;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended, however it did. */
  readonly exited: Promise<ProcessExit>;
  isRunning(): boolean;
  lastLogLines(count?: number): string;
  /** Ends the process in order, by force when it takes too long. */
  stop(): Promise<ProcessExit>;
  /** Sends a signal to the whole process group and waits for the end when the signal is SIGKILL. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Starts a process in a group of its own, with both outputs appended to its log file. The group is ended when this
 * process ends, even when it is killed: a watchdog holds the other end of a pipe.
 */
export function startProcess(specification: ProcessSpecification): ManagedProcess {
  const { name, logFile } = specification;
  mkdirSync(path.dirname(logFile), { recursive: true });
  rotateLog(logFile);
  const log = openSync(logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(specification.command, [...specification.args], {
      cwd: specification.cwd ?? projectRoot,
      env: specification.env,
      detached: true,
      stdio: ['ignore', log, log],
      ...(specification.uid === undefined ? {} : { uid: specification.uid }),
      ...(specification.gid === undefined ? {} : { gid: specification.gid }),
    });
  } finally {
    closeSync(log);
  }
  const spawnError = new Promise<never>((_, reject) => child.once('error', reject));
  spawnError.catch(() => undefined);
  if (child.pid === undefined) {
    throw new EmbeddedFailure(
      `${name} could not be started: ${specification.command} did not run`,
      'check that the file exists and may be executed; run `npm ci` again if it is under node_modules',
    );
  }
  const pid = child.pid;
  let alive = true;
  let expected = false;
  tellWatchdog('add', pid);
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      alive = false;
      running.delete(managed);
      tellWatchdog('remove', pid);
      const exit = { code, signal };
      if (!expected) specification.onUnexpectedExit?.(exit, tail(logFile));
      resolve(exit);
    });
  });
  const signalGroup = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const managed: ManagedProcess = {
    name,
    pid,
    logFile,
    exited,
    isRunning: () => alive,
    lastLogLines: (count = 15) => tail(logFile, count),
    async stop() {
      expected = true;
      if (!alive) return exited;
      // The main process alone is asked: PostgreSQL and Temporal end their own children in order.
      child.kill(specification.stopSignal ?? 'SIGTERM');
      const force = setTimeout(() => signalGroup('SIGKILL'), specification.stopTimeoutMs ?? 10_000);
      const exit = await exited;
      clearTimeout(force);
      signalGroup('SIGKILL');
      return exit;
    },
    async kill(signal) {
      if (!alive) return;
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') expected = true;
      signalGroup(signal);
      if (signal === 'SIGKILL') await exited;
    },
  };
  running.add(managed);
  return managed;
}

/**
 * Asks `ready` every `intervalMs` until it returns true. Fails when the process ends first or after `timeoutMs`, with
 * the last lines of its log.
 */
export async function untilReady(
  child: ManagedProcess,
  ready: () => Promise<boolean>,
  options: {
    readonly timeoutMs: number;
    readonly intervalMs?: number;
    readonly remedy?: string;
  },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  let lastError: unknown;
  while (Date.now() < deadline) {
    if (!child.isRunning()) {
      const exit = await child.exited;
      throw new EmbeddedFailure(
        `${child.name} ended while starting (${describeExit(exit)}). Last lines of ${child.logFile}:\n${child.lastLogLines()}`,
        options.remedy ?? `read ${child.logFile}; \`npm run reset\` clears the kept state`,
      );
    }
    try {
      if (await ready()) return;
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, options.intervalMs ?? 50));
  }
  throw new EmbeddedFailure(
    `${child.name} did not become ready in ${Math.round(options.timeoutMs / 1000)} s. Last lines of ${child.logFile}:\n${child.lastLogLines()}`,
    options.remedy ?? `read ${child.logFile}; \`npm run reset\` clears the kept state`,
    lastError === undefined ? undefined : { cause: lastError },
  );
}

/** `exit code 1` or `signal SIGKILL`. */
export function describeExit(exit: ProcessExit): string {
  return exit.signal === null ? `exit code ${exit.code ?? 'unknown'}` : `signal ${exit.signal}`;
}

function tail(file: string, count = 15): string {
  if (!existsSync(file)) return '(no log)';
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n');
}

function rotateLog(file: string): void {
  if (!existsSync(file) || statSync(file).size < LOG_FILE_LIMIT_BYTES) return;
  rmSync(`${file}.1`, { force: true });
  renameSync(file, `${file}.1`);
}

let watchdogInput: Writable | null = null;

function tellWatchdog(command: 'add' | 'remove', pid: number): void {
  watchdogInput ??= startWatchdog();
  watchdogInput.write(`${command} ${pid}\n`);
}

function startWatchdog(): Writable {
  const watchdog = spawn(process.execPath, ['--import', 'tsx', path.join(projectRoot, 'embedded', 'watchdog.ts')], {
    cwd: projectRoot,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: inheritedEnvironment(),
  });
  const input = required(watchdog.stdin, "the watchdog's input");
  // It must neither keep this process alive nor fail it: it is a second line behind the ordinary stop.
  watchdog.unref();
  watchdog.on('error', () => undefined);
  input.on('error', () => undefined);
  if ('unref' in input && typeof input.unref === 'function') input.unref();
  return input;
}
