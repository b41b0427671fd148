import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { invariant } from '../../shared/assert';
import { maxBigint, minBigint, sumBigint } from '../../shared/money';
import { basisPointsRoundDown, basisPointsRoundUp, divideRoundDown } from '../../shared/rounding';

const BASIS_POINTS = 10_000n;

/** What a program charges on one purchase: `fixed` cents once, and `bps` of the amount. */
export interface FeeTerms {
  readonly fixed: bigint;
  readonly bps: number;
}

export const NO_FEE: FeeTerms = { fixed: 0n, bps: 0 };

/** What the fees of a purchase, or of one message about it, depend on. */
export interface ChargedSpend {
  readonly currency: string;
  readonly merchantCurrency: string;
  /** The whole amount is handed out as cash, at a machine or a counter. */
  readonly cashWithdrawal: boolean;
  /** Cents of a purchase that are handed out as cash at the till. */
  readonly cashAmount: bigint;
}

type FeePolicy = Pick<ProgramPolicy, 'foreign_currency_fee_bps' | 'cash_withdrawal_fee'>;

/**
 * The fees of a purchase under a program's policy. Two rates on the same amount are one, so that rounding happens once. Cash at
 * the till is charged only where the policy says so, and only for the cash.
 */
export function feeTerms(policy: FeePolicy, spend: ChargedSpend): FeeTerms {
  const foreignBps = spend.merchantCurrency === spend.currency ? 0 : (policy.foreign_currency_fee_bps ?? 0);
  const cash = policy.cash_withdrawal_fee;
  if (cash === undefined) return { fixed: 0n, bps: foreignBps };
  if (spend.cashWithdrawal) return { fixed: BigInt(cash.fixed), bps: foreignBps + cash.bps };
  if (!cash.cashback || spend.cashAmount === 0n) return { fixed: 0n, bps: foreignBps };
  return { fixed: BigInt(cash.fixed) + basisPointsRoundDown(spend.cashAmount, cash.bps), bps: foreignBps };
}

/** Cents of fee on `amount` cents, rounded in the cardholder's favour. Nothing spent, nothing charged. */
export function feeRoundDown(terms: FeeTerms, amount: bigint): bigint {
  if (amount <= 0n) return 0n;
  return terms.fixed + basisPointsRoundDown(amount, terms.bps);
}

/** The largest amount that `total` cents pay together with its fee: the exact inverse bound of {@link feeRoundDown}. */
export function amountBesideFeeRoundDown(terms: FeeTerms, total: bigint): bigint {
  const left = total - terms.fixed;
  if (left <= 0n) return 0n;
  return divideRoundDown((left + 1n) * BASIS_POINTS - 1n, BASIS_POINTS + BigInt(terms.bps));
}

/**
 * Cents of fee to hold with `amount` cents on top of a purchase, rounded so that the holds of all parts carry the fee on their sum,
 * which is what clearings are charged.
 */
export function feeOnTopRoundUp(terms: FeeTerms, amount: bigint): bigint {
  if (amount <= 0n) return 0n;
  return terms.fixed + basisPointsRoundUp(amount, terms.bps);
}

/** The largest amount that `total` cents pay together with its fee: the exact inverse bound of {@link feeOnTopRoundUp}. */
export function amountBesideFeeOnTopRoundDown(terms: FeeTerms, total: bigint): bigint {
  const left = total - terms.fixed;
  return left <= 0n ? 0n : divideRoundDown(left * BASIS_POINTS, BASIS_POINTS + BigInt(terms.bps));
}

/** A clearing with the terms that are its own: it says itself whether it was cash, and in which currency the merchant charged. */
export interface ClearedAmount {
  readonly amount: bigint;
  readonly terms: FeeTerms;
}

/**
 * Cents of fee on clearings, each on its own terms, rounded once and in the cardholder's favour; the fixed part, where any has one, is the
 * largest and comes once.
 */
export function feeOnClearingsRoundDown(cleared: readonly ClearedAmount[]): bigint {
  let [fixed, shares] = [0n, 0n];
  for (const { amount, terms } of cleared) {
    if (amount <= 0n) continue;
    fixed = maxBigint(fixed, terms.fixed);
    shares += amount * BigInt(terms.bps);
  }
  return fixed + divideRoundDown(shares, BASIS_POINTS);
}

/** What a purchase has come to, cents: its clearings, its refunds, and those of them that were taken back. */
export interface PurchaseMovements {
  readonly cleared: readonly ClearedAmount[];
  readonly refunded: bigint;
  readonly takenBack: bigint;
}

/**
 * Cents of fee that a purchase owes for all that was said of it, in whichever order: none where nothing is left spent, else the fee
 * on all that cleared. A refund of part therefore leaves it, and its fixed part is owed once.
 */
export function feeDue({ cleared, refunded, takenBack }: PurchaseMovements): bigint {
  const spent = sumBigint(cleared.map(({ amount }) => amount)) + takenBack;
  return spent > refunded ? feeOnClearingsRoundDown(cleared) : 0n;
}

/** One more message about a purchase, cents. */
export type PurchaseMovement =
  | (ClearedAmount & { readonly kind: 'clearing' })
  | { readonly kind: 'refund' | 'refund_reversal'; readonly amount: bigint };

/** What a purchase has come to with one more message. */
export function movedBy(before: PurchaseMovements, movement: PurchaseMovement): PurchaseMovements {
  const { cleared, refunded, takenBack } = before;
  switch (movement.kind) {
    case 'clearing':
      return { cleared: [...cleared, movement], refunded, takenBack };
    case 'refund':
      return { cleared, refunded: refunded + movement.amount, takenBack };
    case 'refund_reversal':
      return { cleared, refunded, takenBack: takenBack + movement.amount };
  }
}

/**
 * Cents of fee that one more message brings, or (negative) gives back: what is due with it, less what was charged before and not
 * given back. What spends never gives back and a refund never charges: where other terms than before would have it so, the next
 * message of the other kind makes up for it.
 */
export function feeOfMovement(
  before: PurchaseMovements & { readonly charged: bigint },
  movement: PurchaseMovement,
): bigint {
  if (movement.amount === 0n) return 0n;
  const change = feeDue(movedBy(before, movement)) - before.charged;
  if (movement.kind !== 'refund') return maxBigint(change, 0n);
  const givenBack = minBigint(change, 0n);
  invariant(givenBack === 0n || before.charged + givenBack >= 0n, 'no more of a fee is given back than was charged');
  return givenBack;
}
