/**
 * Keeps purchases from waiting for a fintech that does not answer. Instants are milliseconds since the epoch.
 * `half_open`: one question is on its way to find out whether it answers again; all others are still decided without it.
 */
export type CircuitBreaker =
  | { readonly state: 'closed'; readonly failures: number }
  | { readonly state: 'open'; readonly until: number }
  | { readonly state: 'half_open'; readonly until: number };

export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly failures: number;
  readonly open_seconds: number;
}

export const CLOSED_BREAKER: CircuitBreaker = { state: 'closed', failures: 0 };

/**
 * Whether a question may be asked now, and the breaker after it is. An open breaker admits one question once its time is
 * up; should nothing be heard of that one, another after the same time again.
 */
export function admit(
  breaker: CircuitBreaker,
  settings: BreakerSettings,
  now: number,
): { readonly admitted: boolean; readonly breaker: CircuitBreaker } {
  if (breaker.state === 'closed') return { admitted: true, breaker };
  if (now < breaker.until) return { admitted: false, breaker };
  return { admitted: true, breaker: { state: 'half_open', until: now + settings.open_seconds * 1_000 } };
}

/** The breaker after a question was answered validly, or was not. */
export function afterAnswer(
  breaker: CircuitBreaker,
  settings: BreakerSettings,
  answered: boolean,
  now: number,
): CircuitBreaker {
  if (answered) return CLOSED_BREAKER;
  // Asked before it opened, heard of afterwards: it says nothing new.
  if (breaker.state === 'open') return breaker;
  const failures = breaker.state === 'closed' ? breaker.failures + 1 : settings.failures;
  if (failures < settings.failures) return { state: 'closed', failures };
  return { state: 'open', until: now + settings.open_seconds * 1_000 };
}
