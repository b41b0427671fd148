import { minBigint } from '../../shared/money';

/** What a clearing left uncovered, cents. */
export interface OverduePart {
  readonly cardTransactionId: string;
  readonly amountUsd: bigint;
  readonly since: Date;
}

/**
 * What of each part is still owed, given all parts from the oldest to the newest and the cents that are owed together: the
 * oldest are paid first. Parts that are paid are left out.
 */
export function outstandingOverdue(parts: readonly OverduePart[], totalUsd: bigint): readonly OverduePart[] {
  let left = totalUsd;
  const outstanding: OverduePart[] = [];
  for (const part of [...parts].reverse()) {
    const amountUsd = minBigint(part.amountUsd, left);
    if (amountUsd <= 0n) break;
    left -= amountUsd;
    outstanding.unshift({ ...part, amountUsd });
  }
  return outstanding;
}
