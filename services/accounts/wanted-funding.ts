import type { AssetCatalog } from '../assets/load-asset-catalog';
import {
  type FundingPolicy,
  type FundingSource,
  fundingPolicyForMode,
  fundingProblem,
  type NamedFundingMode,
  stablecoinsByPreference,
} from '../funding/rules/funding-policy';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';

export type RequestedFunding =
  | { readonly mode: NamedFundingMode }
  | { readonly mode: 'custom'; readonly sources: readonly FundingSource[] };

/** The policy that a request asks for, or why the program does not allow it; pointers are relative to the request. */
export function wantedFunding(
  assets: AssetCatalog,
  program: { readonly currency: string; readonly policy: ProgramPolicy },
  requested: RequestedFunding,
): Result<FundingPolicy, Refusal> {
  const { policy } = program;
  const funding: FundingPolicy =
    requested.mode === 'custom' ? requested : fundingForMode(assets, program, requested.mode);
  const problem = fundingProblem(funding.sources, {
    stablecoins: policy.stablecoins,
    creditEnabled: policy.credit.enabled,
  });
  if (problem === null) return ok(funding);
  return err(refusal(problem.code, problem.detail, requested.mode === 'custom' ? problem.pointer : '/mode'));
}

/** What a mode stands for in a program: its stablecoins in the default order, and the loan. */
export function fundingForMode(
  assets: AssetCatalog,
  { currency, policy }: { readonly currency: string; readonly policy: ProgramPolicy },
  mode: NamedFundingMode,
): FundingPolicy {
  const peggedTo = (asset: string): string | null => assets.get(asset)?.peggedTo ?? null;
  const { stablecoins, stablecoin_cost_bps } = policy;
  return fundingPolicyForMode(mode, stablecoinsByPreference(stablecoins, currency, peggedTo, stablecoin_cost_bps));
}
