import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process of another machine (a shared home folder) cannot be asked whether it lives: so long it is believed. */
const FOREIGN_HOLDER_LIMIT_MS = 3_600_000;

/**
 * Takes the lock for this process, also from a holder that has died. False when a running process holds it; our own
 * process counts as one.
 */
export function tryLock(file: string): boolean {
  if (lockHolder(file) === null) rmSync(file, { force: true });
  try {
    writeFileSync(file, `${process.pid} ${hostname()}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Gives a lock of this process back. */
export function unlock(file: string): void {
  rmSync(file, { force: true });
}

/** Id of the running process that holds the lock, or `null`. */
export function lockHolder(file: string): number | null {
  let content: string;
  let takenAt: number;
  try {
    content = readFileSync(file, 'utf8');
    takenAt = statSync(file).mtimeMs;
  } catch {
    return null;
  }
  const [pidText, host] = content.split(' ');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  if (host !== hostname()) return Date.now() - takenAt < FOREIGN_HOLDER_LIMIT_MS ? pid : null;
  try {
    process.kill(pid, 0);
    return pid;
  } catch {
    return null;
  }
}
