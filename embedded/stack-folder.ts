import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { EmbeddedFailure } from './failure';
import { lockHolder, tryLock, unlock } from './file-lock';
import { removePostgresData } from './postgres';

/** Where each thing of a stack is kept. */
export interface StackFolder {
  readonly root: string;
  readonly secretsFile: string;
  readonly postgres: string;
  readonly temporalDatabase: string;
  readonly chainState: string;
  readonly chainDeployment: string;
  readonly simulators: string;
  readonly logs: string;
}

export function stackFolder(root: string): StackFolder {
  return {
    root,
    secretsFile: path.join(root, 'secrets.json'),
    postgres: path.join(root, 'postgres'),
    temporalDatabase: path.join(root, 'temporal.db'),
    chainState: path.join(root, 'chain', 'state.json'),
    chainDeployment: path.join(root, 'chain', 'deployment.json'),
    simulators: path.join(root, 'simulators'),
    logs: path.join(root, 'logs'),
  };
}

/**
 * Takes the folder for this process, so that no second stack writes into it.
 *
 * @throws {EmbeddedFailure} when a running process has it.
 */
export function lockFolder(folder: StackFolder): () => void {
  // Others may pass through: PostgreSQL's unprivileged user has to reach its part. The secrets are a file of their own.
  mkdirSync(folder.root, { recursive: true, mode: 0o755 });
  for (const part of [folder.simulators, folder.logs]) mkdirSync(part, { recursive: true });
  const lockFile = lockFileOf(folder);
  if (!tryLock(lockFile)) {
    throw new EmbeddedFailure(
      `another stack is running on ${folder.root} (process ${lockHolder(lockFile) ?? 'unknown'})`,
      'stop it with Ctrl-C, or set ESCUDO_DATA_DIR to start a second one beside it',
    );
  }
  return () => unlock(lockFile);
}

/** Removes everything a stack kept. Throws {@link EmbeddedFailure} while one is running. */
export function clearFolder(folder: StackFolder): void {
  const holder = lockHolder(lockFileOf(folder));
  if (holder !== null) {
    throw new EmbeddedFailure(`a stack is running on ${folder.root} (process ${holder})`, 'stop it with Ctrl-C first');
  }
  removePostgresData(folder.postgres);
  rmSync(folder.root, { recursive: true, force: true });
}

function lockFileOf(folder: StackFolder): string {
  return path.join(folder.root, 'running.pid');
}
