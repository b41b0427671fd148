import type { RequestedFunding } from '../../accounts/wanted-funding';
import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import {
  FUNDING_MODES,
  type FundingPolicy,
  type FundingSource,
  type SourceCeilings,
} from '../../funding/rules/funding-policy';
import { moneyInput, moneyView } from './money';
import { z } from './zod';

/** Cards are billed in dollars and loans are drawn in USDC, in every program so far. */
const CARD_CURRENCY = 'USD';
const BORROWED = 'USDC';

const MAX_PER_PURCHASE = 'The most that is held from it for one purchase, its increments included; null: no ceiling.';
const MAX_SHARE =
  'The most of a purchase’s hold, its increments included, that comes from it, basis points; null: no ceiling.';
const MAX_DEBT = 'The debt, open holds counted, above which nothing is borrowed; null: no ceiling.';

const ceilingViews = {
  max_per_purchase: moneyView.nullable().openapi({ description: MAX_PER_PURCHASE }),
  max_share_bps: z.int().nullable().openapi({ description: MAX_SHARE }),
};

const sourceView = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('stablecoin'), asset: z.string(), keep: moneyView, ...ceilingViews }),
  z.strictObject({
    kind: z.literal('loan'),
    ltv_max_bps: z.int().nullable(),
    max_debt: moneyView.nullable().openapi({ description: MAX_DEBT }),
    ...ceilingViews,
  }),
]);

export const fundingPolicyView = z
  .strictObject({ mode: z.enum(FUNDING_MODES), sources: z.array(sourceView) })
  .openapi('FundingPolicy', { description: 'Sources in the order in which purchases use them.' });

export function fundingPolicyOf(assets: AssetCatalog, policy: FundingPolicy): z.input<typeof fundingPolicyView> {
  const money = (amount: bigint | undefined, asset: string) =>
    amount === undefined ? null : moneyJson(assets, amount, asset);
  const ceilings = ({ maxPerPurchase, maxShareBps }: SourceCeilings) => ({
    max_per_purchase: money(maxPerPurchase, CARD_CURRENCY),
    max_share_bps: maxShareBps ?? null,
  });
  return {
    mode: policy.mode,
    sources: policy.sources.map((source) =>
      source.kind === 'loan'
        ? {
            kind: 'loan' as const,
            ltv_max_bps: source.ltvMaxBps,
            max_debt: money(source.maxDebt, BORROWED),
            ...ceilings(source),
          }
        : {
            kind: 'stablecoin' as const,
            asset: source.asset,
            keep: moneyJson(assets, source.keep, source.asset),
            ...ceilings(source),
          },
    ),
  };
}

/** A funding policy as requests carry it, parsed to what use cases take. */
export function fundingInput(assets: AssetCatalog) {
  const stablecoins = [...assets.values()].filter((asset) => asset.kind === 'stablecoin').map((asset) => asset.code);
  const ceilings = {
    max_per_purchase: moneyInput(assets, { assets: [CARD_CURRENCY] })
      .nullish()
      .openapi({ description: MAX_PER_PURCHASE }),
    max_share_bps: z.int().min(1).max(10_000).nullish().openapi({ description: MAX_SHARE }),
  };
  const sourceInput = z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('stablecoin'),
      asset: z.enum(stablecoins),
      keep: moneyInput(assets, { kinds: ['stablecoin'], zeroAllowed: true })
        .optional()
        .openapi({ description: 'What stays untouched, in the asset itself.' }),
      ...ceilings,
    }),
    z.strictObject({
      kind: z.literal('loan'),
      ltv_max_bps: z.int().min(1).max(9_500).nullable().default(null),
      max_debt: moneyInput(assets, { assets: [BORROWED] })
        .nullish()
        .openapi({ description: MAX_DEBT }),
      ...ceilings,
    }),
  ]);
  const customFunding = z
    .strictObject({ mode: z.literal('custom'), sources: z.array(sourceInput).min(1).max(10) })
    .superRefine(({ sources }, context) => {
      for (const [index, source] of sources.entries()) {
        if (source.kind !== 'stablecoin' || source.keep === undefined || source.keep.asset === source.asset) continue;
        context.addIssue({
          code: 'custom',
          path: ['sources', index, 'keep', 'asset'],
          message: `must be ${source.asset}, the asset of the source`,
          params: { problem: 'wrong_asset' },
        });
      }
    });
  return z.discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('sell') }),
    z.strictObject({ mode: z.literal('borrow') }),
    z.strictObject({ mode: z.literal('automatic') }),
    customFunding,
  ]);
}

type FundingInput = z.output<ReturnType<typeof fundingInput>>;
type SourceInput = Extract<FundingInput, { mode: 'custom' }>['sources'][number];

export function toRequestedFunding(input: FundingInput): RequestedFunding {
  return input.mode === 'custom' ? { mode: 'custom', sources: input.sources.map(toSource) } : { mode: input.mode };
}

function toSource(source: SourceInput): FundingSource {
  const ceilings: SourceCeilings = {
    ...(source.max_per_purchase ? { maxPerPurchase: source.max_per_purchase.amount } : {}),
    ...(source.max_share_bps ? { maxShareBps: source.max_share_bps } : {}),
  };
  if (source.kind === 'stablecoin') {
    return { kind: 'stablecoin', asset: source.asset, keep: source.keep?.amount ?? 0n, ...ceilings };
  }
  return {
    kind: 'loan',
    ltvMaxBps: source.ltv_max_bps,
    ...(source.max_debt ? { maxDebt: source.max_debt.amount } : {}),
    ...ceilings,
  };
}
