import { type AssetPrice, priceState } from '../../credit/rules/price-state';
import { type CreditLine, spendingPower } from '../../credit/rules/spending-power';
import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { maxBigint, minBigint, sumBigint } from '../../shared/money';
import { basisPointsRoundUp, divideRoundDown, divideRoundUp } from '../../shared/rounding';
import type { FundingPolicy, FundingSource, LoanSource, StablecoinSource } from './funding-policy';

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

/** Every reason a source gives no more than it does, or nothing. */
export const OPTION_REJECTIONS = [
  'not_needed',
  'empty',
  'kept_by_policy',
  'purchase_ceiling',
  'share_ceiling',
  'not_in_policy',
  'price_unavailable',
  'credit_disabled',
  'no_agreement',
  'borrow_limit',
  'account_ltv',
  'account_debt',
  'delegation',
  'liquidity',
] as const;

export type OptionRejection = (typeof OPTION_REJECTIONS)[number];

/** The same in words for the cardholder and support: a total map, so that no option goes unexplained. */
export const OPTION_REJECTION_TEXT: Readonly<Record<OptionRejection, string>> = {
  not_needed: 'The sources before it covered the purchase.',
  empty: 'There is no more of it on the account.',
  kept_by_policy: 'The rest is below the amount that the funding policy keeps untouched.',
  purchase_ceiling: 'The funding policy takes no more than this from it for one purchase.',
  share_ceiling: 'The funding policy takes no larger share of a purchase from it.',
  not_in_policy: 'The funding policy of the account does not name it.',
  price_unavailable: 'Its price is missing, too old or disputed.',
  credit_disabled: 'The card program gives no credit.',
  no_agreement: 'The credit agreement has not been accepted.',
  borrow_limit: 'The collateral carries no more debt, with open holds counted as debt.',
  account_ltv: 'The funding policy borrows no further: the loan-to-value it allows is reached.',
  account_debt: 'The funding policy borrows no further: the debt it allows is reached.',
  delegation: 'The account has allowed the card program to borrow no more than this.',
  liquidity: 'The lending market has no more to lend at present.',
};

/** A source and what became of it: used up to `usedUsd` of `capacityUsd` cents, and why not more. */
export interface ConsideredOption {
  readonly kind: PlannedLeg['kind'];
  readonly asset: string;
  /** Cents that it could give to any purchase; a share ceiling may allow less of a given one. */
  readonly capacityUsd: bigint;
  readonly usedUsd: bigint;
  readonly rejection: OptionRejection | null;
}

export interface FundingPlan {
  readonly covered: boolean;
  readonly legs: readonly PlannedLeg[];
  readonly options: readonly ConsideredOption[];
  /** The most cents that the sources together cover, every floor and ceiling kept: all up to it are covered, one more is not. */
  readonly capacityUsd: bigint;
}

/** What a purchase has from one of its sources, cents; `overdue`: what no source covered. */
export interface SourceTaken {
  readonly kind: PlannedLeg['kind'] | 'overdue';
  readonly asset: string;
  readonly amountUsd: bigint;
}

/** What the plan is made from; the same for a hold, a quote and the part of a clearing above its hold. */
export interface FundingInputs {
  readonly fundingPolicy: FundingPolicy;
  readonly policy: Pick<ProgramPolicy, 'credit' | 'min_leg_amount'>;
  /** Free stablecoins: posted less pending, base units by asset. */
  readonly funds: Readonly<Record<string, bigint>>;
  readonly collateral: Readonly<Record<string, bigint>>;
  readonly credit: CreditLine;
  readonly prices: Readonly<Record<string, AssetPrice>>;
  readonly decimals: Readonly<Record<string, number>>;
  /** What the purchase has already, where more of one is planned: ceilings per purchase are for all of it. */
  readonly takenBefore?: readonly SourceTaken[];
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

/** Cents that `amount` base units are worth, rounded up: what falls short by less than a cent still counts as one. */
export function tokenToUsdRoundUp(amount: bigint, priceUsdE8: bigint, decimals: number): bigint {
  return divideRoundUp(amount * priceUsdE8, E8_PER_CENT * 10n ** BigInt(decimals));
}

interface Capacity {
  readonly kind: PlannedLeg['kind'];
  readonly asset: string;
  readonly priceUsdE8: bigint;
  readonly bufferBps: number;
  /** Cents it can give to one purchase, its ceiling per purchase included. */
  readonly capacityUsd: bigint;
  /** Why it is not larger. */
  readonly bound: OptionRejection;
  /** Cents that the purchase has of it already. */
  readonly takenUsd: bigint;
}

type OwnCapacity = Omit<Capacity, 'takenUsd'>;

function stablecoinCapacity(
  source: StablecoinSource,
  inputs: FundingInputs,
  bufferBps: number,
  now: Date,
): OwnCapacity {
  const price = inputs.prices[source.asset];
  const decimals = inputs.decimals[source.asset];
  const state = priceState(price, now);
  if (!price || decimals === undefined || state === 'disputed' || state === 'missing')
    return {
      kind: 'stablecoin_sale',
      asset: source.asset,
      priceUsdE8: 0n,
      bufferBps,
      capacityUsd: 0n,
      bound: 'price_unavailable',
    };
  const free = inputs.funds[source.asset] ?? 0n;
  const usable = maxBigint(free - source.keep, 0n);
  const buffer = state === 'stale' ? bufferBps + STALE_PRICE_BUFFER_BPS : bufferBps;
  return {
    kind: 'stablecoin_sale',
    asset: source.asset,
    priceUsdE8: price.priceUsdE8,
    bufferBps: buffer,
    capacityUsd: tokenToUsdRoundDown(usable, price.priceUsdE8, decimals, buffer),
    bound: source.keep > 0n && free > 0n ? 'kept_by_policy' : 'empty',
  };
}

const POWER_BOUND: Readonly<Record<ReturnType<typeof spendingPower>['limitedBy'], OptionRejection>> = {
  borrow_limit: 'borrow_limit',
  account_ltv: 'account_ltv',
  account_debt: 'account_debt',
  delegation: 'delegation',
  liquidity: 'liquidity',
  no_agreement: 'no_agreement',
  no_index: 'price_unavailable',
  no_price: 'price_unavailable',
};

function loanCapacity(source: LoanSource, inputs: FundingInputs, bufferBps: number, now: Date): OwnCapacity {
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
    maxDebt: source.maxDebt ?? null,
    now,
  });
  return {
    ...base,
    priceUsdE8: price.priceUsdE8,
    capacityUsd: tokenToUsdRoundDown(power.available, price.priceUsdE8, decimals, bufferBps),
    bound: POWER_BOUND[power.limitedBy],
  };
}

function capacityOf(source: FundingSource, inputs: FundingInputs, bufferBps: number, now: Date): Capacity {
  const capacity =
    source.kind === 'stablecoin'
      ? stablecoinCapacity(source, inputs, bufferBps, now)
      : loanCapacity(source, inputs, bufferBps, now);
  const takenUsd = inputs.takenBefore === undefined ? 0n : takenFrom(source, inputs.takenBefore);
  const ceiling = source.maxPerPurchase === undefined ? null : maxBigint(source.maxPerPurchase - takenUsd, 0n);
  return ceiling !== null && ceiling < capacity.capacityUsd
    ? { ...capacity, capacityUsd: ceiling, bound: 'purchase_ceiling', takenUsd }
    : { ...capacity, takenUsd };
}

/** Cents that a purchase has of a source: the loan is one, whatever was borrowed. */
function takenFrom(source: FundingSource, takenBefore: readonly SourceTaken[]): bigint {
  const ofSource = takenBefore.filter(({ kind, asset }) =>
    source.kind === 'loan' ? kind === 'loan_draw' : kind === 'stablecoin_sale' && asset === source.asset,
  );
  return sumBigint(ofSource.map(({ amountUsd }) => amountUsd));
}

/**
 * The largest amount A that the sources cover, on top of what the purchase has, when each gives at most its capacity and what its
 * share of the whole leaves. Shares are exact here and rounded up in the plan, so that what this calls covered is. The amounts
 * covered reach from 0 to A without a gap: once the sources give less than the amount, they do for every larger one. (What they give
 * grows slower than the amount, but where the shares of those below their capacity come to the whole or more, and those cover it,
 * as none of the purchase is counted twice.)
 */
function largestCoverable(
  sources: readonly FundingSource[],
  capacities: readonly Capacity[],
  wholeBefore: bigint,
): bigint {
  let most = 0n;
  for (const capacity of capacities) most += capacity.capacityUsd;
  if (sources.every((source) => source.maxShareBps === undefined)) return most;
  const covers = (amount: bigint): boolean => {
    let given = 0n;
    for (const [index, { capacityUsd, takenUsd }] of capacities.entries()) {
      const shareBps = sources[index]?.maxShareBps;
      const most = capacityUsd * 10_000n;
      const share = shareBps === undefined ? most : (wholeBefore + amount) * BigInt(shareBps) - takenUsd * 10_000n;
      given += minBigint(most, maxBigint(share, 0n));
    }
    return given >= amount * 10_000n;
  };
  let least = 0n;
  while (least < most) {
    const middle = (least + most + 1n) / 2n;
    if (covers(middle)) least = middle;
    else most = middle - 1n;
  }
  return least;
}

/**
 * A last part smaller than the program finds worth a sale or a draw of its own grows at the expense of the parts before
 * it, as far as those stay above that size themselves. The sum stays what it was; nothing is declined for it.
 */
function withoutSmallParts(used: readonly bigint[], ceilings: readonly bigint[], smallest: bigint): readonly bigint[] {
  const last = used.findLastIndex((each) => each > 0n);
  const wanted = minBigint(smallest, ceilings[last] ?? 0n);
  let missing = wanted - (used[last] ?? 0n);
  if (last <= 0 || missing <= 0n) return used;
  const parts = [...used];
  for (let index = last - 1; index >= 0 && missing > 0n; index -= 1) {
    const part = parts[index] ?? 0n;
    const given = minBigint(missing, maxBigint(part - smallest, 0n));
    parts[index] = part - given;
    missing -= given;
  }
  parts[last] = wanted - missing;
  return parts;
}

/**
 * Covers `amountUsd` cents from the account's sources in their order, each as far as it reaches and its ceilings allow.
 * Every source is reported with its capacity and the reason it gave no more, so that a decline explains itself. Legs cover
 * the amount exactly, or `covered` is false and nothing should be held. `bufferBps` is 0 where tokens are sold at once. Where the amount
 * comes on top of a purchase (`takenBefore`), ceilings and shares are of the whole of it.
 */
export function planFunding(inputs: FundingInputs, amountUsd: bigint, bufferBps: number, now: Date): FundingPlan {
  const { sources } = inputs.fundingPolicy;
  const capacities = sources.map((source) => capacityOf(source, inputs, bufferBps, now));
  const wholeBefore = sumBigint(inputs.takenBefore?.map(({ amountUsd: taken }) => taken) ?? []);
  const ceilings: bigint[] = [];
  const bounds: OptionRejection[] = [];
  const greedy: bigint[] = [];
  let left = amountUsd;
  for (const [index, { capacityUsd, bound, takenUsd }] of capacities.entries()) {
    const shareBps = sources[index]?.maxShareBps;
    const share =
      shareBps === undefined
        ? amountUsd
        : maxBigint(basisPointsRoundUp(wholeBefore + amountUsd, shareBps) - takenUsd, 0n);
    const narrowed = shareBps !== undefined && share < capacityUsd;
    const ceiling = narrowed ? share : capacityUsd;
    const taken = minBigint(left, ceiling);
    ceilings.push(ceiling);
    bounds.push(narrowed ? 'share_ceiling' : bound);
    greedy.push(taken);
    left -= taken;
  }
  const smallest = inputs.policy.min_leg_amount === undefined ? 0n : BigInt(inputs.policy.min_leg_amount);
  const used = smallest > 0n ? withoutSmallParts(greedy, ceilings, smallest) : greedy;

  const coverable = largestCoverable(sources, capacities, wholeBefore);
  const covered = amountUsd <= coverable;
  const legs: PlannedLeg[] = [];
  const options: ConsideredOption[] = [];
  let open = amountUsd;
  for (const [index, capacity] of capacities.entries()) {
    const usedUsd = used[index] ?? 0n;
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
    open -= greedy[index] ?? 0n;
    // A source that later ones had to complete is named with what bounded it, and so is a share that only rounding filled.
    const bound = bounds[index] ?? null;
    const fellShort = open > 0n || (!covered && bound === 'share_ceiling');
    options.push({
      kind: capacity.kind,
      asset: capacity.asset,
      capacityUsd: capacity.capacityUsd,
      usedUsd,
      rejection: fellShort ? bound : usedUsd > 0n ? null : 'not_needed',
    });
  }
  return { covered, legs, options, capacityUsd: coverable };
}

/** Sources that the account's policy does not name but that would give something: what a change of the policy could add. */
export function optionsOutsidePolicy(
  inputs: FundingInputs & { readonly policy: Pick<ProgramPolicy, 'credit' | 'stablecoins'> },
  bufferBps: number,
  now: Date,
): readonly ConsideredOption[] {
  const named = new Set(inputs.fundingPolicy.sources.map((source) => (source.kind === 'loan' ? 'loan' : source.asset)));
  const others: FundingSource[] = inputs.policy.stablecoins
    .filter((asset) => !named.has(asset))
    .map((asset) => ({ kind: 'stablecoin', asset, keep: 0n }));
  if (!named.has('loan')) others.push({ kind: 'loan', ltvMaxBps: null });
  return others.flatMap((source) => {
    const { kind, asset, capacityUsd } = capacityOf(source, inputs, bufferBps, now);
    return capacityUsd > 0n ? [{ kind, asset, capacityUsd, usedUsd: 0n, rejection: 'not_in_policy' as const }] : [];
  });
}
