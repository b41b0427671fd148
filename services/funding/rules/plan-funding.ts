import { type AssetPrice, priceState } from '../../credit/rules/price-state';
import { type CreditLine, spendingPower } from '../../credit/rules/spending-power';
import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { maxBigint, minBigint } from '../../shared/money';
import { divideRoundDown, divideRoundUp } from '../../shared/rounding';
import type { FundingPolicy, FundingSource } from './funding-policy';

/** Cents to USD with 8 decimals. */
const E8_PER_CENT = 1_000_000n;
/** A stablecoin whose price has gone stale is still sold, with this much more of it held. */
const STALE_PRICE_BUFFER_BPS = 200;

/** One part of a plan. `amount` is base units of `asset` to hold; `amountUsd` the cents it covers. */
export interface PlannedLeg {
  readonly kind: 'stablecoin_sale' | 'loan_draw';
  readonly asset: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
  readonly priceUsdE8: bigint;
}

export type OptionRejection =
  | 'not_needed'
  | 'empty'
  | 'kept_by_policy'
  | 'price_unavailable'
  | 'credit_disabled'
  | 'no_agreement'
  | 'borrow_limit'
  | 'account_ltv'
  | 'delegation'
  | 'liquidity';

/** A source and what became of it: used up to `usedUsd` of `capacityUsd` cents, and why not more. */
export interface ConsideredOption {
  readonly kind: PlannedLeg['kind'];
  readonly asset: string;
  readonly capacityUsd: bigint;
  readonly usedUsd: bigint;
  readonly rejection: OptionRejection | null;
}

export interface FundingPlan {
  readonly covered: boolean;
  readonly legs: readonly PlannedLeg[];
  readonly options: readonly ConsideredOption[];
  /** Cents that all sources together could have covered. */
  readonly capacityUsd: bigint;
}

/** What the plan is made from; the same for a hold, a quote and the part of a clearing above its hold. */
export interface FundingInputs {
  readonly fundingPolicy: FundingPolicy;
  readonly policy: Pick<ProgramPolicy, 'credit' | 'conversion_buffer_bps'>;
  /** Free stablecoins: posted less pending, base units by asset. */
  readonly funds: Readonly<Record<string, bigint>>;
  readonly collateral: Readonly<Record<string, bigint>>;
  readonly credit: CreditLine;
  readonly prices: Readonly<Record<string, AssetPrice>>;
  readonly decimals: Readonly<Record<string, number>>;
}

/** Base units of a token that cover `cents` at a price with a buffer on top, rounded up. */
export function usdToTokenRoundUp(cents: bigint, priceUsdE8: bigint, decimals: number, bufferBps = 0): bigint {
  return divideRoundUp(
    cents * E8_PER_CENT * 10n ** BigInt(decimals) * BigInt(10_000 + bufferBps),
    priceUsdE8 * 10_000n,
  );
}

/** The most cents that `amount` base units cover with a buffer on top: the exact inverse bound of {@link usdToTokenRoundUp}. */
export function tokenToUsdRoundDown(amount: bigint, priceUsdE8: bigint, decimals: number, bufferBps = 0): bigint {
  return divideRoundDown(
    amount * priceUsdE8 * 10_000n,
    E8_PER_CENT * 10n ** BigInt(decimals) * BigInt(10_000 + bufferBps),
  );
}

interface Capacity {
  readonly kind: PlannedLeg['kind'];
  readonly asset: string;
  readonly priceUsdE8: bigint;
  readonly bufferBps: number;
  readonly capacityUsd: bigint;
  /** Why it is not larger. */
  readonly bound: OptionRejection;
}

function stablecoinCapacity(
  source: FundingSource & { kind: 'stablecoin' },
  inputs: FundingInputs,
  bufferBps: number,
  now: Date,
): Capacity {
  const base = { kind: 'stablecoin_sale' as const, asset: source.asset, priceUsdE8: 0n, bufferBps, capacityUsd: 0n };
  const price = inputs.prices[source.asset];
  const decimals = inputs.decimals[source.asset];
  const state = priceState(price, now);
  if (!price || decimals === undefined || state === 'disputed' || state === 'missing')
    return { ...base, bound: 'price_unavailable' };
  const free = inputs.funds[source.asset] ?? 0n;
  const usable = maxBigint(free - source.keep, 0n);
  const buffer = state === 'stale' ? bufferBps + STALE_PRICE_BUFFER_BPS : bufferBps;
  return {
    ...base,
    priceUsdE8: price.priceUsdE8,
    bufferBps: buffer,
    capacityUsd: tokenToUsdRoundDown(usable, price.priceUsdE8, decimals, buffer),
    bound: source.keep > 0n && free > 0n ? 'kept_by_policy' : 'empty',
  };
}

const POWER_BOUND: Readonly<Record<ReturnType<typeof spendingPower>['limitedBy'], OptionRejection>> = {
  borrow_limit: 'borrow_limit',
  account_ltv: 'account_ltv',
  delegation: 'delegation',
  liquidity: 'liquidity',
  no_agreement: 'no_agreement',
  no_index: 'price_unavailable',
  no_price: 'price_unavailable',
};

function loanCapacity(
  source: FundingSource & { kind: 'loan' },
  inputs: FundingInputs,
  bufferBps: number,
  now: Date,
): Capacity {
  const asset = inputs.policy.credit.borrow_asset;
  const base = { kind: 'loan_draw' as const, asset, priceUsdE8: 0n, bufferBps, capacityUsd: 0n };
  if (!inputs.policy.credit.enabled) return { ...base, bound: 'credit_disabled' };
  const price = inputs.prices[asset];
  const decimals = inputs.decimals[asset];
  const state = priceState(price, now);
  if (!price || decimals === undefined || state === 'stale' || state === 'disputed')
    return { ...base, bound: 'price_unavailable' };
  const power = spendingPower({
    credit: inputs.credit,
    collateral: inputs.collateral,
    terms: inputs.policy.credit.collateral,
    prices: inputs.prices,
    decimals: inputs.decimals,
    borrowAsset: asset,
    ltvMaxBps: source.ltvMaxBps,
    now,
  });
  return {
    ...base,
    priceUsdE8: price.priceUsdE8,
    capacityUsd: tokenToUsdRoundDown(power.available, price.priceUsdE8, decimals, bufferBps),
    bound: POWER_BOUND[power.limitedBy],
  };
}

/**
 * Covers `amountUsd` cents from the account's sources in their order, each as far as it reaches. Every source is
 * reported with its capacity and the reason it gave no more, so that a decline explains itself. Legs cover the amount
 * exactly, or `covered` is false and nothing should be held. `bufferBps` is 0 where tokens are sold at once.
 */
export function planFunding(inputs: FundingInputs, amountUsd: bigint, bufferBps: number, now: Date): FundingPlan {
  const legs: PlannedLeg[] = [];
  const options: ConsideredOption[] = [];
  let left = amountUsd;
  let capacityUsd = 0n;
  for (const source of inputs.fundingPolicy.sources) {
    const capacity =
      source.kind === 'stablecoin'
        ? stablecoinCapacity(source, inputs, bufferBps, now)
        : loanCapacity(source, inputs, bufferBps, now);
    capacityUsd += capacity.capacityUsd;
    const usedUsd = minBigint(left, capacity.capacityUsd);
    if (usedUsd > 0n) {
      const decimals = inputs.decimals[capacity.asset] ?? 0;
      legs.push({
        kind: capacity.kind,
        asset: capacity.asset,
        amount: usdToTokenRoundUp(usedUsd, capacity.priceUsdE8, decimals, capacity.bufferBps),
        amountUsd: usedUsd,
        priceUsdE8: capacity.priceUsdE8,
      });
    }
    left -= usedUsd;
    options.push({
      kind: capacity.kind,
      asset: capacity.asset,
      capacityUsd: capacity.capacityUsd,
      usedUsd,
      rejection: left > 0n ? capacity.bound : usedUsd > 0n ? null : 'not_needed',
    });
  }
  return { covered: left === 0n, legs, options, capacityUsd };
}
