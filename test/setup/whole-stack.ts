import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tryLock, unlock } from '../../embedded/file-lock';
import { removePostgresData } from '../../embedded/postgres';
import { type Stack, type StackOptions, startStack } from '../../embedded/stack';
import { temporaryFolder } from './temporary-folder';

/** One stack at a time on a machine: two of them on two cores only make each other late. */
const turn = path.join(tmpdir(), 'escudo-whole-stack-turn');

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

async function takeTurn(): Promise<void> {
  while (!tryLock(turn)) await new Promise((resolve) => setTimeout(resolve, 250));
}
