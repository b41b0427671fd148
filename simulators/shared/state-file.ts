import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * A simulator's own durable state: one JSON document. `save` resolves when everything changed before the call is on
 * disk; callers that wait at the same time share one write. The file is replaced by rename, so a kill in the middle
 * leaves the former document whole.
 */
export interface StateFile<T> {
  value: T;
  save(): Promise<void>;
}

function read<T>(path: string, empty: () => T): T {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : empty();
}

/** Opens `path`, or a state that lives in memory only when it is null. */
export function openStateFile<T>(path: string | null, empty: () => T): StateFile<T> {
  if (path !== null) mkdirSync(dirname(path), { recursive: true });
  let running: Promise<void> = Promise.resolve();
  let queued: Promise<void> | null = null;

  const file: StateFile<T> = {
    value: path === null ? empty() : read(path, empty),
    save() {
      if (path === null) return Promise.resolve();
      if (queued === null) {
        queued = running
          .catch(() => undefined)
          .then(() => {
            // From here on a further change needs a further write.
            queued = null;
            return write(path);
          });
        running = queued;
      }
      return queued;
    },
  };

  async function write(target: string): Promise<void> {
    await writeFile(`${target}.next`, JSON.stringify(file.value));
    await rename(`${target}.next`, target);
  }

  return file;
}
