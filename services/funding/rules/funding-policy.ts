/** Ceilings that every source may carry, on what is held from it for one purchase. A missing one is no ceiling. */
export interface SourceCeilings {
  /** Cents. */
  readonly maxPerPurchase?: bigint;
  /** Share of the purchase's hold, basis points, rounded up to a cent. */
  readonly maxShareBps?: number;
}

export interface StablecoinSource extends SourceCeilings {
  readonly kind: 'stablecoin';
  readonly asset: string;
  /** Base units of the asset that stay untouched, e.g. "keep 200 USDC". */
  readonly keep: bigint;
}

export interface LoanSource extends SourceCeilings {
  readonly kind: 'loan';
  /** LTV above which this account does not want to borrow, basis points; null: up to the program's limit. */
  readonly ltvMaxBps: number | null;
  /** Debt above which it does not want to borrow, open holds counted: base units of the borrowed asset. */
  readonly maxDebt?: bigint;
}

/** How an account wants its purchases funded: sources in order, each with floors and ceilings of its own. */
export type FundingSource = StablecoinSource | LoanSource;

/** `sell`, `borrow` and `automatic` are short for a list; `custom` is the account's own. */
export const FUNDING_MODES = ['sell', 'borrow', 'automatic', 'custom'] as const;
export type FundingMode = (typeof FUNDING_MODES)[number];
export type NamedFundingMode = Exclude<FundingMode, 'custom'>;

export interface FundingPolicy {
  readonly mode: FundingMode;
  readonly sources: readonly FundingSource[];
}

/** The list that a mode stands for, given the program's stablecoins in order of preference. */
export function fundingPolicyForMode(mode: NamedFundingMode, stablecoins: readonly string[]): FundingPolicy {
  const sales: readonly FundingSource[] =
    mode === 'borrow' ? [] : stablecoins.map((asset) => ({ kind: 'stablecoin' as const, asset, keep: 0n }));
  const loan: readonly FundingSource[] = mode === 'sell' ? [] : [{ kind: 'loan' as const, ltvMaxBps: null }];
  return { mode, sources: [...sales, ...loan] };
}

/**
 * Stablecoins as a purchase uses them by default: those of the card's own currency first, the others by what selling
 * them costs, and where that is the same in the order in which the program lists them.
 */
export function stablecoinsByPreference(
  stablecoins: readonly string[],
  currency: string,
  peggedTo: (asset: string) => string | null,
  costBps: Readonly<Record<string, number>> = {},
): readonly string[] {
  const foreign = (asset: string): number => (peggedTo(asset) === currency ? 0 : 1);
  const cost = (asset: string): number => costBps[asset] ?? 0;
  return [...stablecoins].sort(
    (one, other) => foreign(one) - foreign(other) || (foreign(one) === 1 ? cost(one) - cost(other) : 0),
  );
}

interface StoredCeilings {
  readonly max_per_purchase?: string;
  readonly max_share_bps?: number;
}

/** As stored and sent: bigint as decimal strings of base units, of cents for `max_per_purchase`. */
export interface StoredFundingPolicy {
  readonly mode: FundingMode;
  readonly sources: readonly (
    | ({ readonly kind: 'stablecoin'; readonly asset: string; readonly keep: string } & StoredCeilings)
    | ({ readonly kind: 'loan'; readonly ltv_max_bps: number | null; readonly max_debt?: string } & StoredCeilings)
  )[];
}

export function fundingPolicyToStored(policy: FundingPolicy): StoredFundingPolicy {
  return {
    mode: policy.mode,
    sources: policy.sources.map((source) =>
      source.kind === 'stablecoin'
        ? { kind: 'stablecoin', asset: source.asset, keep: source.keep.toString(), ...ceilingsToStored(source) }
        : {
            kind: 'loan',
            ltv_max_bps: source.ltvMaxBps,
            ...(source.maxDebt === undefined ? {} : { max_debt: source.maxDebt.toString() }),
            ...ceilingsToStored(source),
          },
    ),
  };
}

export function fundingPolicyFromStored(stored: StoredFundingPolicy): FundingPolicy {
  return {
    mode: stored.mode,
    sources: stored.sources.map((source) =>
      source.kind === 'stablecoin'
        ? { kind: 'stablecoin', asset: source.asset, keep: BigInt(source.keep), ...ceilingsFromStored(source) }
        : {
            kind: 'loan',
            ltvMaxBps: source.ltv_max_bps,
            ...(source.max_debt === undefined ? {} : { maxDebt: BigInt(source.max_debt) }),
            ...ceilingsFromStored(source),
          },
    ),
  };
}

function ceilingsToStored({ maxPerPurchase, maxShareBps }: SourceCeilings): StoredCeilings {
  return {
    ...(maxPerPurchase === undefined ? {} : { max_per_purchase: maxPerPurchase.toString() }),
    ...(maxShareBps === undefined ? {} : { max_share_bps: maxShareBps }),
  };
}

function ceilingsFromStored({ max_per_purchase, max_share_bps }: StoredCeilings): SourceCeilings {
  return {
    ...(max_per_purchase === undefined ? {} : { maxPerPurchase: BigInt(max_per_purchase) }),
    ...(max_share_bps === undefined ? {} : { maxShareBps: max_share_bps }),
  };
}

/** What is wrong with a list of sources and how to mend it; `pointer` is relative to the list's document. */
export interface FundingProblem {
  readonly code: 'invalid_parameter' | 'credit_not_enabled';
  readonly pointer: string;
  readonly detail: string;
}

const FULL_SHARE_BPS = 10_000;

/** The first thing in a list of sources that the program does not allow or that could never fund a purchase, or null. */
export function fundingProblem(
  sources: readonly FundingSource[],
  program: { readonly stablecoins: readonly string[]; readonly creditEnabled: boolean },
): FundingProblem | null {
  const invalid = (pointer: string, detail: string): FundingProblem => ({
    code: 'invalid_parameter',
    pointer,
    detail,
  });
  if (sources.length === 0) return invalid('/sources', 'name at least one source: a stablecoin or the loan');
  const seen = new Set<string>();
  for (const [index, source] of sources.entries()) {
    const pointer = `/sources/${index}`;
    const name = source.kind === 'loan' ? 'the loan' : source.asset;
    if (seen.has(name)) {
      return invalid(pointer, `${name} is named twice: put its floor and ceilings into one source`);
    }
    seen.add(name);
    if (source.kind === 'stablecoin' && !program.stablecoins.includes(source.asset)) {
      const detail = `the program does not spend ${source.asset}: use one of ${program.stablecoins.join(', ')}`;
      return invalid(`${pointer}/asset`, detail);
    }
    if (source.kind === 'loan' && !program.creditEnabled) {
      return {
        code: 'credit_not_enabled',
        pointer,
        detail: 'the program gives no credit: leave the loan out and use stablecoins only',
      };
    }
  }
  const shares = sources.reduce((sum, source) => sum + (source.maxShareBps ?? FULL_SHARE_BPS), 0);
  if (shares < FULL_SHARE_BPS) {
    const detail = `the shares add up to ${shares} basis points, so no purchase could be covered: raise them to 10000 in total, or leave one out`;
    return invalid('/sources', detail);
  }
  return null;
}
