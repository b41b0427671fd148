export interface PartnerAnswer {
  readonly decision: 'approve' | 'decline';
  readonly reason: string | null;
}

export const REASON_LENGTH_MAX = 200;

/**
 * The fintech's answer, or what is wrong with it. Strict: a JSON object with `decision` and perhaps `reason`, nothing else, because an
 * answer that was not meant for this question must not approve a purchase.
 */
export function readPartnerAnswer(text: string): PartnerAnswer | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: 'the answer is not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problem: 'the answer is not an object' };
  const { decision, reason, ...rest } = value as Readonly<Record<string, unknown>>;
  if (decision !== 'approve' && decision !== 'decline') {
    return { problem: 'decision must be "approve" or "decline"' };
  }
  if (Object.keys(rest).length > 0) return { problem: 'the answer may only have decision and reason' };
  if (reason === undefined || reason === null) return { decision, reason: null };
  if (typeof reason !== 'string' || reason.length > REASON_LENGTH_MAX || /[\p{Cc}\p{Cs}]/u.test(reason)) {
    return {
      problem: `reason must be text of at most ${REASON_LENGTH_MAX} characters, without control characters or halves of one`,
    };
  }
  return { decision, reason: reason === '' ? null : reason };
}
