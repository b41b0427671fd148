import type { AssetCatalog } from '../assets/load-asset-catalog';
import type { SpendControls } from '../cards/rules/spend-controls';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { applyPolicyPatch, type PolicyPatch, policyProblem } from '../programs/rules/policy-patch';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type ControlVersionRow, insertVersion, type ScopeStanding } from './control-version.repository';
import { openScope } from './open-scope';
import type { ControlDocument, ControlScope } from './rules/control-scope';
import { appendVersionEvent } from './version-event';

export interface DraftControlsDeps {
  readonly assets: AssetCatalog;
  readonly clock: Clock;
}

/** What a draft is made of: a change of the program's policy, or the whole new controls of an account or a card. */
export type WantedControls =
  | { readonly kind: 'program'; readonly programId: string; readonly patch: PolicyPatch }
  | { readonly kind: 'account'; readonly accountId: string; readonly controls: SpendControls }
  | { readonly kind: 'card'; readonly cardId: string; readonly controls: SpendControls };

export interface DraftControlsInput {
  readonly organizationId: string;
  readonly wanted: WantedControls;
  readonly note: string;
  /** Id of the API key. */
  readonly createdBy: string | null;
}

/** Stores a draft: it changes nothing until it is promoted. It is checked like a document that is in force. */
export async function draftControls(
  trx: Transaction,
  deps: DraftControlsDeps,
  input: DraftControlsInput,
): Promise<Result<ControlVersionRow, Refusal>> {
  const { organizationId, wanted } = input;
  const scope = scopeOf(wanted);
  const opened = await openScope(trx, organizationId, scope, deps.clock.now());
  if (!opened.ok) return opened;
  const { standing, active, scheduled } = opened.value;
  const document = documentOf(wanted, standing, deps.assets);
  if (!document.ok) return document;
  const draft = await insertVersion(trx, {
    organization_id: organizationId,
    id: newId(),
    scope_kind: scope.kind,
    scope_id: scope.id,
    state: 'draft',
    document: document.value,
    note: input.note,
    base_version: (scheduled ?? active).version,
    restores_version: null,
    created_by: input.createdBy,
    promoted_by: null,
    promoted_at: null,
    effective_at: null,
    applied_version: null,
  });
  await appendVersionEvent(trx, 'control_version.drafted', draft);
  return ok(draft);
}

function scopeOf(wanted: WantedControls): ControlScope {
  switch (wanted.kind) {
    case 'program':
      return { kind: 'program', id: wanted.programId };
    case 'account':
      return { kind: 'account', id: wanted.accountId };
    case 'card':
      return { kind: 'card', id: wanted.cardId };
  }
}

function documentOf(
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
