import { invariant } from '../../shared/assert';
import { maxBigint, minBigint } from '../../shared/money';
import { basisPointsRoundUp } from '../../shared/rounding';

/** EIP-1559 fees in wei per gas. */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** What the node says now: the head's base fee and the tip it suggests, wei per gas. */
export interface FeeMarket {
  readonly baseFeePerGas: bigint;
  readonly suggestedPriorityFeePerGas: bigint;
}

export interface FeePolicy {
  readonly minimumPriorityFeePerGas: bigint;
  /** Never signed above this, not even to replace. */
  readonly limitFeePerGas: bigint;
  /** Raise of both fees of a replacement: nodes refuse less than 10 %, some less than 12.5 %. */
  readonly bumpBps: number;
}

/** Fees for a first attempt: they outlive six full blocks, each of which raises the base fee by an eighth. */
export function firstFees(market: FeeMarket, policy: FeePolicy): Fees {
  const tip = maxBigint(market.suggestedPriorityFeePerGas, policy.minimumPriorityFeePerGas);
  const maxFeePerGas = minBigint(2n * market.baseFeePerGas + tip, policy.limitFeePerGas);
  return { maxFeePerGas, maxPriorityFeePerGas: minBigint(tip, maxFeePerGas) };
}

/**
 * Fees that replace an attempt with the same nonce: both raised by the policy's step, and not below what a first attempt
 * would pay now. `null` when the step would pass the limit.
 */
export function replacementFees(previous: Fees, market: FeeMarket, policy: FeePolicy): Fees | null {
  invariant(policy.bumpBps >= 1_250 && policy.bumpBps <= 2_000, 'a replacement raises fees by 12.5–20 %');
  const raised = (fee: bigint) => fee + basisPointsRoundUp(fee, policy.bumpBps);
  const now = firstFees(market, policy);
  const maxFeePerGas = maxBigint(raised(previous.maxFeePerGas), now.maxFeePerGas);
  if (maxFeePerGas > policy.limitFeePerGas) return null;
  const tip = maxBigint(raised(previous.maxPriorityFeePerGas), now.maxPriorityFeePerGas);
  return { maxFeePerGas, maxPriorityFeePerGas: minBigint(tip, maxFeePerGas) };
}
