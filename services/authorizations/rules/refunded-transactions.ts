import { maxBigint, minBigint } from '../../shared/money';

/** A transaction that took money, and what refunds have given back of it. Cents. */
export interface RefundableTransaction {
  readonly id: string;
  readonly amount: bigint;
  readonly refunded_amount: bigint;
}

/**
 * Of which transactions `amount` cents are given back: the oldest first, each at most what is left of it. What was refunded before
 * anything cleared, or beyond all that did, is of none.
 */
export function refundedTransactions(
  spending: readonly RefundableTransaction[],
  amount: bigint,
): readonly { readonly id: string; readonly amount: bigint }[] {
  let left = amount;
  return spending.flatMap(({ id, amount: spent, refunded_amount: before }) => {
    const given = minBigint(left, maxBigint(spent - before, 0n));
    left -= given;
    return given > 0n ? [{ id, amount: given }] : [];
  });
}
