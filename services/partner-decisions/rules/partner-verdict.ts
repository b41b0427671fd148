/** What came of asking the fintech whether it agrees to a purchase. Kept in the receipt. */
export interface PartnerVerdict {
  readonly decision: 'approve' | 'decline';
  /** Who decided: the fintech, or the program's stand-in rules because the fintech gave no answer. */
  readonly source: 'partner' | 'stand_in';
  readonly cause: PartnerCause;
  /** The fintech's own words, at most 200 characters; null when it gave none or did not answer. */
  readonly reason: string | null;
  /**
   * Cents that the fintech was asked about, which is the most that its yes is for: less than the purchase where only a part could be
   * approved. Left out where it did not decide.
   */
  readonly askedAmount?: string;
  /** Identity of the question, as the fintech saw it; null when it was not sent. */
  readonly requestId: string | null;
  readonly latencyMs: number;
}

/** Why the one or the other decided. `overloaded`: too many questions were waiting for this fintech already. */
export type PartnerCause =
  | 'answered'
  | 'timeout'
  | 'error'
  | 'invalid_answer'
  | 'breaker_open'
  | 'overloaded'
  | 'not_configured';

/** A verdict as the API and events show it. */
export function partnerDecisionDocument(verdict: PartnerVerdict) {
  return {
    decision: verdict.decision,
    source: verdict.source,
    cause: verdict.cause,
    reason: verdict.reason,
    request_id: verdict.requestId,
    latency_ms: verdict.latencyMs,
  };
}
