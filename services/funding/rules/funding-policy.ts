/**
 * How an account wants its purchases funded: sources in order, each with a floor or ceiling of its own.
 * `sell` and `borrow` of the API are short for the lists below.
 */
export type FundingSource =
  | {
      readonly kind: 'stablecoin';
      readonly asset: string;
      /** Base units of the asset that stay untouched, e.g. "keep 200 USDC". */
      readonly keep: bigint;
    }
  | {
      readonly kind: 'loan';
      /** LTV above which this account does not want to borrow, basis points; null: up to the program's limit. */
      readonly ltvMaxBps: number | null;
    };

export interface FundingPolicy {
  readonly mode: 'sell' | 'borrow' | 'custom';
  readonly sources: readonly FundingSource[];
}

/** The list that a mode stands for, given the program's stablecoins in order of preference. */
export function fundingPolicyForMode(mode: 'sell' | 'borrow', stablecoins: readonly string[]): FundingPolicy {
  if (mode === 'borrow') return { mode, sources: [{ kind: 'loan', ltvMaxBps: null }] };
  return { mode, sources: stablecoins.map((asset) => ({ kind: 'stablecoin' as const, asset, keep: 0n })) };
}

/** As stored and sent: bigint as decimal strings of base units. */
export interface StoredFundingPolicy {
  readonly mode: FundingPolicy['mode'];
  readonly sources: readonly (
    | { readonly kind: 'stablecoin'; readonly asset: string; readonly keep: string }
    | { readonly kind: 'loan'; readonly ltv_max_bps: number | null }
  )[];
}

export function fundingPolicyToStored(policy: FundingPolicy): StoredFundingPolicy {
  return {
    mode: policy.mode,
    sources: policy.sources.map((source) =>
      source.kind === 'stablecoin'
        ? { kind: 'stablecoin', asset: source.asset, keep: source.keep.toString() }
        : { kind: 'loan', ltv_max_bps: source.ltvMaxBps },
    ),
  };
}

export function fundingPolicyFromStored(stored: StoredFundingPolicy): FundingPolicy {
  return {
    mode: stored.mode,
    sources: stored.sources.map((source) =>
      source.kind === 'stablecoin'
        ? { kind: 'stablecoin', asset: source.asset, keep: BigInt(source.keep) }
        : { kind: 'loan', ltvMaxBps: source.ltv_max_bps },
    ),
  };
}
