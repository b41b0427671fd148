import type { CollateralTerms } from '../../programs/rules/program-policy';
import { sumBigint } from '../../shared/money';
import { basisPointsRoundDown } from '../../shared/rounding';
import {
  type CollateralSummary,
  debtValueUsdE8RoundUp,
  type LoanHealth,
  loanHealth,
  owedRoundUp,
  USD_E8,
  valueCollateral,
} from './loan-to-value';
import type { AssetPrice } from './price-state';
import type { CreditLine } from './spending-power';

export interface CreditStandingInput {
  readonly credit: Pick<CreditLine, 'debtShares' | 'loanHold' | 'loanUnconfirmed' | 'programIndexRay'>;
  readonly collateral: Readonly<Record<string, bigint>>;
  readonly terms: Readonly<Record<string, CollateralTerms>>;
  readonly prices: Readonly<Record<string, AssetPrice>>;
  readonly decimals: Readonly<Record<string, number>>;
  readonly borrowAsset: string;
  readonly now: Date;
}

/** A debt and how it stands against the collateral. `debt` is base units of the borrowed asset, rounded up. */
export interface DebtStanding extends LoanHealth {
  readonly debt: bigint;
  readonly debtUsdE8: bigint;
}

export interface CreditStanding {
  readonly collateral: CollateralSummary;
  /** Owed on chain with interest, rounded up. */
  readonly owed: bigint;
  /** Without the holds of open authorizations: what is owed and what is on its way to the chain. */
  readonly drawn: DebtStanding;
  /** With them in full, which is what spending goes by. */
  readonly withHolds: DebtStanding;
}

/**
 * An account's debt, LTV, health and share of the buffer used, without and with open holds. Ratios go by the full borrow
 * limit: it is not narrowed by the age of prices, which decides about new borrowing only.
 */
export function creditStanding(input: CreditStandingInput): CreditStanding {
  const { credit, terms, prices, decimals, borrowAsset } = input;
  const collateral = valueCollateral(input.collateral, terms, prices, decimals, input.now);
  const limits = {
    valueUsdE8: collateral.valueUsdE8,
    borrowLimitUsdE8: sumBigint(
      collateral.assets.map((each) => basisPointsRoundDown(each.valueUsdE8, terms[each.asset]?.ltv_bps ?? 0)),
    ),
    liquidationLimitUsdE8: collateral.liquidationLimitUsdE8,
  };
  const standing = (debt: bigint): DebtStanding => {
    const price = prices[borrowAsset]?.priceUsdE8 ?? USD_E8;
    const debtUsdE8 = debtValueUsdE8RoundUp(debt, price, decimals[borrowAsset] ?? 0);
    return { debt, debtUsdE8, ...loanHealth({ debtUsdE8, ...limits }) };
  };
  const owed = credit.programIndexRay === null ? 0n : owedRoundUp(credit.debtShares, credit.programIndexRay);
  return {
    collateral,
    owed,
    drawn: standing(owed + credit.loanUnconfirmed),
    withHolds: standing(owed + credit.loanUnconfirmed + credit.loanHold),
  };
}
