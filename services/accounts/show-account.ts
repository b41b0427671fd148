import { quoteSpend } from '../authorizations/quote-spend';
import type { SpendSnapshot } from '../authorizations/rules/spend-snapshot';
import { debtValueUsdE8RoundUp, loanHealth, owedRoundUp, USD_E8 } from '../credit/rules/loan-to-value';
import type { PriceState } from '../credit/rules/price-state';
import { type SpendingPower, spendingPower } from '../credit/rules/spending-power';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { sumBigint } from '../shared/money';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { basisPointsRoundDown, divideRoundDown, divideRoundUp } from '../shared/rounding';
import { type AccountRow, findAccount, findHoldings, type HoldingRow } from './account.repository';

export type { AccountRow };

/** USD with 8 decimals in one cent. */
const E8_PER_CENT = 1_000_000n;

/** An account with everything a cardholder asks about it. Amounts are base units, `…Usd` cents, `…Bps` basis points. */
export interface AccountStanding {
  readonly account: AccountRow;
  readonly currency: string;
  readonly holdings: readonly HoldingRow[];
  /** The largest purchase that would be approved now at a merchant without allowance, cents. */
  readonly safeToSpend: bigint;
  readonly collateral: readonly {
    readonly asset: string;
    readonly amount: bigint;
    readonly valueUsd: bigint;
    readonly priceState: PriceState;
  }[];
  readonly credit: {
    readonly asset: string;
    readonly agreementAccepted: boolean;
    /** What stands on chain with its interest, rounded up. */
    readonly owed: bigint;
    /** Spent, and on its way to the chain. */
    readonly unconfirmed: bigint;
    /** Held by open authorizations. */
    readonly held: bigint;
    readonly available: bigint;
    readonly limitedBy: SpendingPower['limitedBy'];
    readonly collateralUsd: bigint;
    readonly borrowLimitUsd: bigint;
    readonly liquidationLimitUsd: bigint;
    readonly debtUsd: bigint;
    readonly ltvBps: bigint | null;
    readonly healthBps: bigint | null;
    readonly bufferUsedBps: bigint | null;
    /** The same with open holds counted as debt. */
    readonly ltvWithHoldsBps: bigint | null;
    readonly healthWithHoldsBps: bigint | null;
  };
}

/** The account with balances, credit and what is safe to spend, read at one instant. */
export async function showAccount(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly accountId: string },
): Promise<Result<AccountStanding, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await findAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id'));
  const smallest = {
    organizationId,
    accountId,
    cardId: null,
    amount: 1n,
    mcc: null,
    merchantCountry: null,
    channel: null,
  };
  const quote = await quoteSpend(trx, deps, smallest);
  if (!quote.ok) return quote;
  const { snapshot, decision } = quote.value;
  const power = powerOf(snapshot, deps.clock.now());
  return ok({
    account,
    currency: snapshot.currency,
    holdings: await findHoldings(trx, organizationId, accountId),
    safeToSpend: decision.largestAmount,
    collateral: power.collateral.assets.map((each) => ({
      asset: each.asset,
      amount: each.amount,
      valueUsd: divideRoundDown(each.valueUsdE8, E8_PER_CENT),
      priceState: each.priceState,
    })),
    credit: creditOf(snapshot, power),
  });
}

function powerOf(snapshot: SpendSnapshot, now: Date): SpendingPower {
  const { credit, collateral, prices, decimals, policy } = snapshot;
  const loan = snapshot.fundingPolicy.sources.find((source) => source.kind === 'loan');
  return spendingPower({
    credit,
    collateral,
    prices,
    decimals,
    terms: policy.credit.collateral,
    borrowAsset: policy.credit.borrow_asset,
    ltvMaxBps: loan?.ltvMaxBps ?? null,
    now,
  });
}

function creditOf(snapshot: SpendSnapshot, power: SpendingPower): AccountStanding['credit'] {
  const { credit, policy, decimals, prices } = snapshot;
  const asset = policy.credit.borrow_asset;
  const owed = credit.programIndexRay === null ? 0n : owedRoundUp(credit.debtShares, credit.programIndexRay);
  const debtUsdE8 = debtValueUsdE8RoundUp(
    owed + credit.loanUnconfirmed,
    prices[asset]?.priceUsdE8 ?? USD_E8,
    required(decimals[asset], `decimals of ${asset}`),
  );
  // The rule's own borrow limit shrinks with the age of prices; the ladder of health goes by the full one.
  const borrowLimitUsdE8 = sumBigint(
    power.collateral.assets.map((each) =>
      basisPointsRoundDown(each.valueUsdE8, policy.credit.collateral[each.asset]?.ltv_bps ?? 0),
    ),
  );
  const limits = {
    valueUsdE8: power.collateral.valueUsdE8,
    borrowLimitUsdE8,
    liquidationLimitUsdE8: power.collateral.liquidationLimitUsdE8,
  };
  const health = loanHealth({ debtUsdE8, ...limits });
  const withHolds = loanHealth({ debtUsdE8: power.debtUsdE8, ...limits });
  return {
    asset,
    agreementAccepted: credit.agreementAccepted,
    owed,
    unconfirmed: credit.loanUnconfirmed,
    held: credit.loanHold,
    available: power.available,
    limitedBy: power.limitedBy,
    collateralUsd: divideRoundDown(limits.valueUsdE8, E8_PER_CENT),
    borrowLimitUsd: divideRoundDown(power.collateral.borrowLimitUsdE8, E8_PER_CENT),
    liquidationLimitUsd: divideRoundDown(limits.liquidationLimitUsdE8, E8_PER_CENT),
    debtUsd: divideRoundUp(debtUsdE8, E8_PER_CENT),
    ltvBps: health.ltvBps,
    healthBps: health.healthBps,
    bufferUsedBps: health.bufferUsedBps,
    ltvWithHoldsBps: withHolds.ltvBps,
    healthWithHoldsBps: withHolds.healthBps,
  };
}
