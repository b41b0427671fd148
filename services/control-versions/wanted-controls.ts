import type { AssetCatalog } from '../assets/load-asset-catalog';
import type { SpendControls } from '../cards/rules/spend-controls';
import { applyPolicyPatch, type PolicyPatch, policyProblem } from '../programs/rules/policy-patch';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ScopeStanding } from './control-version.repository';
import type { ControlDocument, ControlScope } from './rules/control-scope';

/** What a draft is made of: a change of the program's policy, or the whole new controls of an account or a card. */
export type WantedControls =
  | { readonly kind: 'program'; readonly programId: string; readonly patch: PolicyPatch }
  | { readonly kind: 'account'; readonly accountId: string; readonly controls: SpendControls }
  | { readonly kind: 'card'; readonly cardId: string; readonly controls: SpendControls };

/** What the change is for. */
export function scopeOf(wanted: WantedControls): ControlScope {
  switch (wanted.kind) {
    case 'program':
      return { kind: 'program', id: wanted.programId };
    case 'account':
      return { kind: 'account', id: wanted.accountId };
    case 'card':
      return { kind: 'card', id: wanted.cardId };
  }
}

/** The whole document that comes of a change, or what is wrong with it. */
export function documentOf(
  wanted: WantedControls,
  standing: ScopeStanding,
  assets: AssetCatalog,
): Result<ControlDocument, Refusal> {
  if (wanted.kind !== 'program' || standing.kind !== 'program') {
    return ok(wanted.kind === 'program' ? standing.document : wanted.controls);
  }
  const policy = applyPolicyPatch(standing.document, wanted.patch);
  const problem = policyProblem(policy, assets);
  return problem === null ? ok(policy) : err(refusal('invalid_parameter', problem.detail, problem.pointer));
}
