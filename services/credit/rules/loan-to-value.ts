import type { CollateralTerms } from '../../programs/rules/program-policy';
import { basisPointsRoundDown, divideRoundDown, divideRoundUp } from '../../shared/rounding';
import { type AssetPrice, priceState } from './price-state';

/** 1 USD with 8 decimals. */
export const USD_E8 = 100_000_000n;
/** 10^27, the unit of indexes. */
export const RAY = 10n ** 27n;

/** What one collateral asset contributes. Values are USD with 8 decimals. */
export interface CollateralValue {
  readonly asset: string;
  readonly amount: bigint;
  readonly valueUsdE8: bigint;
  readonly borrowLimitUsdE8: bigint;
  readonly liquidationLimitUsdE8: bigint;
  readonly priceState: ReturnType<typeof priceState>;
}

export interface CollateralSummary {
  readonly assets: readonly CollateralValue[];
  /** ΣV: what the collateral is worth, rounded down. */
  readonly valueUsdE8: bigint;
  /** B: Σ floor(V · ltv), narrowed by aging prices, none of an asset whose price is stale, disputed or missing. */
  readonly borrowLimitUsdE8: bigint;
  /** L: Σ floor(V · threshold). */
  readonly liquidationLimitUsdE8: bigint;
}

/** Values collateral against the borrower: every figure is rounded down. Assets without terms count for nothing. */
export function valueCollateral(
  collateral: Readonly<Record<string, bigint>>,
  terms: Readonly<Record<string, CollateralTerms>>,
  prices: Readonly<Record<string, AssetPrice>>,
  decimals: Readonly<Record<string, number>>,
  now: Date,
): CollateralSummary {
  const assets: CollateralValue[] = [];
  for (const [asset, amount] of Object.entries(collateral)) {
    const assetTerms = terms[asset];
    const assetDecimals = decimals[asset];
    if (amount <= 0n || !assetTerms || assetDecimals === undefined) continue;
    const price = prices[asset];
    const state = priceState(price, now);
    const valueUsdE8 = price ? divideRoundDown(amount * price.priceUsdE8, 10n ** BigInt(assetDecimals)) : 0n;
    const fullBorrowLimit = basisPointsRoundDown(valueUsdE8, assetTerms.ltv_bps);
    const borrowLimitUsdE8 =
      state === 'fresh' ? fullBorrowLimit : state === 'aging' ? basisPointsRoundDown(fullBorrowLimit, 9_000) : 0n;
    assets.push({
      asset,
      amount,
      valueUsdE8,
      borrowLimitUsdE8,
      liquidationLimitUsdE8: basisPointsRoundDown(valueUsdE8, assetTerms.liquidation_threshold_bps),
      priceState: state,
    });
  }
  return {
    assets,
    valueUsdE8: assets.reduce((sum, each) => sum + each.valueUsdE8, 0n),
    borrowLimitUsdE8: assets.reduce((sum, each) => sum + each.borrowLimitUsdE8, 0n),
    liquidationLimitUsdE8: assets.reduce((sum, each) => sum + each.liquidationLimitUsdE8, 0n),
  };
}

/** What shares owe at an index, in base units, rounded up against the borrower. */
export function owedRoundUp(shares: bigint, programIndexRay: bigint): bigint {
  return divideRoundUp(shares * programIndexRay, RAY);
}

/** Debt in USD with 8 decimals, rounded up; a borrowed stablecoin is valued at max(1 USD, price). */
export function debtValueUsdE8RoundUp(amount: bigint, priceUsdE8: bigint, decimals: number): bigint {
  const price = priceUsdE8 > USD_E8 ? priceUsdE8 : USD_E8;
  return divideRoundUp(amount * price, 10n ** BigInt(decimals));
}

export interface LoanHealth {
  /** Debt ÷ value, basis points, rounded up; null without collateral. */
  readonly ltvBps: bigint | null;
  /** Liquidation limit ÷ debt, basis points, rounded down; null without debt. Below 10 000 is liquidatable. */
  readonly healthBps: bigint | null;
  /**
   * b = (D − B) ÷ (L − B), basis points, rounded up: below 0 there is room to borrow, 10 000 is liquidation. Null without debt,
   * which uses nothing of a buffer, and without collateral that makes one.
   */
  readonly bufferUsedBps: bigint | null;
}

/** LTV, health and the share of the buffer used. `borrowLimit` here is the undegraded Σ floor(V · ltv). */
export function loanHealth(input: {
  readonly debtUsdE8: bigint;
  readonly valueUsdE8: bigint;
  readonly borrowLimitUsdE8: bigint;
  readonly liquidationLimitUsdE8: bigint;
}): LoanHealth {
  const { debtUsdE8, valueUsdE8, borrowLimitUsdE8, liquidationLimitUsdE8 } = input;
  const buffer = liquidationLimitUsdE8 - borrowLimitUsdE8;
  const used = debtUsdE8 - borrowLimitUsdE8;
  return {
    ltvBps: valueUsdE8 > 0n ? divideRoundUp(debtUsdE8 * 10_000n, valueUsdE8) : null,
    healthBps: debtUsdE8 > 0n ? divideRoundDown(liquidationLimitUsdE8 * 10_000n, debtUsdE8) : null,
    bufferUsedBps:
      buffer <= 0n || debtUsdE8 === 0n
        ? null
        : used >= 0n
          ? divideRoundUp(used * 10_000n, buffer)
          : -divideRoundDown(-used * 10_000n, buffer),
  };
}
