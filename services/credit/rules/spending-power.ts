import type { CollateralTerms } from '../../programs/rules/program-policy';
import { maxBigint, minBigint } from '../../shared/money';
import { basisPointsRoundDown, divideRoundDown } from '../../shared/rounding';
import { type CollateralSummary, debtValueUsdE8RoundUp, owedRoundUp, USD_E8, valueCollateral } from './loan-to-value';
import type { AssetPrice } from './price-state';

/** An account's credit line as a decision sees it. Amounts are base units of the borrowed asset. */
export interface CreditLine {
  readonly agreementAccepted: boolean;
  readonly debtShares: bigint;
  /** Pending loan holds: they count in full as debt. */
  readonly loanHold: bigint;
  /** Loan already posted by a clearing whose draw the chain has not confirmed yet. */
  readonly loanUnconfirmed: bigint;
  readonly delegationLeft: bigint;
  /** Venue index × spread factor, ray; null while the venue has not been read yet. */
  readonly programIndexRay: bigint | null;
  readonly availableLiquidity: bigint;
}

export interface SpendingPower {
  /** Base units of the borrowed asset that may still be drawn: min(B − D, delegation, liquidity), each less holds. */
  readonly available: bigint;
  /** The bound that decided. */
  readonly limitedBy:
    | 'borrow_limit'
    | 'account_ltv'
    | 'account_debt'
    | 'delegation'
    | 'liquidity'
    | 'no_agreement'
    | 'no_index'
    | 'no_price';
  readonly debtAmount: bigint;
  readonly debtUsdE8: bigint;
  readonly collateral: CollateralSummary;
}

export interface SpendingPowerInput {
  readonly credit: CreditLine;
  readonly collateral: Readonly<Record<string, bigint>>;
  readonly terms: Readonly<Record<string, CollateralTerms>>;
  readonly prices: Readonly<Record<string, AssetPrice>>;
  readonly decimals: Readonly<Record<string, number>>;
  readonly borrowAsset: string;
  /** The account's own ceiling on LTV, basis points, or null. */
  readonly ltvMaxBps: number | null;
  /** The account's own ceiling on debt with open holds in it, base units of the borrowed asset, or null. */
  readonly maxDebt?: bigint | null;
  readonly now: Date;
}

/** How much more may be borrowed now. Collateral is rounded down, debt up, open holds count as debt. */
export function spendingPower(input: SpendingPowerInput): SpendingPower {
  const { credit, prices, decimals, borrowAsset } = input;
  const collateral = valueCollateral(input.collateral, input.terms, prices, decimals, input.now);
  const borrowDecimals = decimals[borrowAsset] ?? 0;
  const borrowPrice = prices[borrowAsset];
  const owed = credit.programIndexRay === null ? 0n : owedRoundUp(credit.debtShares, credit.programIndexRay);
  const debtAmount = owed + credit.loanUnconfirmed + credit.loanHold;
  const debtUsdE8 = debtValueUsdE8RoundUp(debtAmount, borrowPrice?.priceUsdE8 ?? USD_E8, borrowDecimals);
  const nothing = (limitedBy: SpendingPower['limitedBy']): SpendingPower => ({
    available: 0n,
    limitedBy,
    debtAmount,
    debtUsdE8,
    collateral,
  });
  if (!credit.agreementAccepted) return nothing('no_agreement');
  if (credit.programIndexRay === null) return nothing('no_index');
  if (!borrowPrice) return nothing('no_price');

  const toBorrowUnitsRoundDown = (usdE8: bigint): bigint =>
    usdE8 <= 0n
      ? 0n
      : divideRoundDown(usdE8 * 10n ** BigInt(borrowDecimals), maxBigint(borrowPrice.priceUsdE8, USD_E8));
  const reserved = credit.loanHold + credit.loanUnconfirmed;
  const bounds: [SpendingPower['limitedBy'], bigint][] = [
    ['borrow_limit', toBorrowUnitsRoundDown(collateral.borrowLimitUsdE8 - debtUsdE8)],
    ['delegation', credit.delegationLeft - reserved],
    ['liquidity', credit.availableLiquidity - reserved],
  ];
  if (input.ltvMaxBps !== null) {
    bounds.push([
      'account_ltv',
      toBorrowUnitsRoundDown(basisPointsRoundDown(collateral.valueUsdE8, input.ltvMaxBps) - debtUsdE8),
    ]);
  }
  if (input.maxDebt !== undefined && input.maxDebt !== null) {
    bounds.push(['account_debt', input.maxDebt - debtAmount]);
  }
  const least = minBigint(...(bounds.map(([, bound]) => bound) as [bigint, ...bigint[]]));
  const limitedBy = bounds.find(([, bound]) => bound === least)?.[0] ?? 'borrow_limit';
  return { available: maxBigint(least, 0n), limitedBy, debtAmount, debtUsdE8, collateral };
}
