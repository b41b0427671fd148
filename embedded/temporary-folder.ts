import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { lockHolder, tryLock } from './file-lock';
import { removePostgresData } from './postgres';

/** Names the process that a folder is for. */
const OWNER = 'owner';

/**
 * A new folder for one run of this process, which PostgreSQL's unprivileged user may pass through unless it is `private`. A run that
 * is killed cannot clear up after itself, and a database is a gigabyte: folders of the same prefix whose process is gone are removed first.
 */
export function temporaryFolder(prefix: string, access: 'passable' | 'private' = 'passable'): string {
  for (const name of readdirSync(tmpdir())) {
    if (name.startsWith(prefix)) removeIfAbandoned(path.join(tmpdir(), name));
  }
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  if (access === 'passable') chmodSync(folder, 0o755);
  tryLock(path.join(folder, OWNER));
  return folder;
}

function removeIfAbandoned(folder: string): void {
  const owner = path.join(folder, OWNER);
  // Without an owner it is just being made, or not from here.
  if (!existsSync(owner) || lockHolder(owner) !== null) return;
  try {
    removePostgresData(path.join(folder, 'postgres'));
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Another user's, or being removed by another run at this moment.
  }
}
