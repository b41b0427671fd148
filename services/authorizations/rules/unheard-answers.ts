/** The processor waits somewhat longer than we have to answer, and has decided for itself by then. */
export const UNHEARD_GRACE_MS = 5_000;
/** What the processor does not know this long after the answer was due, it never recorded. */
export const RECORDED_BY_THEN_MS = 20_000;

const ASK_AGAIN_MIN_MS = 5_000;
const ASK_AGAIN_MAX_MS = 5 * 60_000;

/** How long to wait before the processor is asked again, after it was asked `asked` times without saying. */
export function askAgainAfterMs(asked: number): number {
  return Math.min(ASK_AGAIN_MAX_MS, ASK_AGAIN_MIN_MS * 2 ** Math.min(asked - 1, 10));
}
