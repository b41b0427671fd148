import { DemoFailure } from './demo-failure';

const INTERVAL_MS = 100;
const STATE_LIMIT_MS = 120_000;

/**
 * Reads until `reached` says so and returns what was read then. `describe` puts what was seen last into words for the
 * message of the {@link DemoFailure}.
 */
export async function until<T>(
  what: string,
  read: () => Promise<T>,
  reached: (seen: T) => boolean,
  describe: (seen: T) => string,
  limitMs: number = STATE_LIMIT_MS,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const seen = await read();
    if (reached(seen)) return seen;
    if (Date.now() >= deadline) {
      throw new DemoFailure(`${what} did not happen within ${limitMs / 1_000} s; last seen: ${describe(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
