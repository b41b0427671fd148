import { cpSync, existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tryLock, unlock } from '../../embedded/file-lock';
import { removePostgresData } from '../../embedded/postgres';
import { type Stack, type StackOptions, startStack } from '../../embedded/stack';
import { temporaryFolder } from '../../embedded/temporary-folder';

/** One stack at a time on a machine: two of them on two cores only make each other late. */
const turn = path.join(tmpdir(), 'escudo-whole-stack-turn');

/** Where print-stack-logs.js looks for the logs of a test that failed. */
const keptLogs = path.join(tmpdir(), 'escudo-stack-logs');

/**
 * A whole stack with state of its own for one test file. Ask for it in `beforeAll` with a limit of `wholeStackTimeout`,
 * because it may have to wait for its turn; `end` it in `afterAll`.
 */
export async function startTestStack(
  options: Omit<StackOptions, 'dataDir'> = {},
): Promise<Stack & { end(): Promise<void> }> {
  await takeTurn();
  const dataDir = temporaryFolder('escudo-stack-');
  const clear = (): void => {
    const { testPath } = expect.getState();
    if (testPath !== undefined) keepLogs(path.join(dataDir, 'logs'), path.join(keptLogs, path.basename(testPath)));
    removePostgresData(path.join(dataDir, 'postgres'));
    rmSync(dataDir, { recursive: true, force: true });
    unlock(turn);
  };
  try {
    const stack = await startStack({ environment: 'test', ...options, dataDir });
    return {
      ...stack,
      end: async () => {
        await stack.stop();
        clear();
      },
    };
  } catch (error) {
    clear();
    throw error;
  }
}

/** For `beforeAll`: the wait for another file's stack, and the start. Milliseconds. */
export const wholeStackTimeout = 12 * 60_000;

/** Logs outlive their stack until it is known whether its tests passed. */
function keepLogs(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  // A stack that could not even be started may have none.
  if (existsSync(from)) cpSync(from, to, { recursive: true });
}

async function takeTurn(): Promise<void> {
  while (!tryLock(turn)) await new Promise((resolve) => setTimeout(resolve, 250));
}
