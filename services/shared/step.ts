/**
 * What a step function answers: whether its work is over, and otherwise when to look again. `reason` says what it waits for; it is shown to
 * operators, so it carries no personal data. `waitMs` null: only a signal brings news.
 */
export type StepResult =
  | { readonly done: true; readonly state: string }
  | { readonly done: false; readonly state: string; readonly reason: string; readonly waitMs: number | null };

export function done(state: string): StepResult {
  return { done: true, state };
}

export function waiting(state: string, reason: string, waitMs: number): StepResult {
  return { done: false, state, reason, waitMs };
}

/** How long steps wait before they look again: for the next block, for a vendor, for an operator. */
export const WAIT_MS = { block: 1_000, vendor: 2_000, busy: 1_000, funds: 3_000, operator: 300_000 } as const;
