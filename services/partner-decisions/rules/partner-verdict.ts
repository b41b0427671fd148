/** What came of asking the fintech whether it agrees to a purchase. Kept in the receipt. */
export interface PartnerVerdict {
  readonly decision: 'approve' | 'decline';
  /** Who decided: the fintech, or the program's stand-in rules because the fintech gave no answer. */
  readonly source: 'partner' | 'stand_in';
  readonly cause: 'answered' | 'timeout' | 'error' | 'invalid_answer' | 'breaker_open' | 'not_configured';
  /** Identity of the question, as the fintech saw it; null when it was not sent. */
  readonly requestId: string | null;
  readonly latencyMs: number;
}
