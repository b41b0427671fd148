import { effectiveControls } from '../cards/rules/spend-controls';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { invariant } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type ControlVersionRow, findVersion, insertVersion, updateVersion } from './control-version.repository';
import { moveVersion, type OpenScope, openScope } from './open-scope';
import { placeControls } from './put-in-force';
import { documentDiff } from './rules/document-diff';
import { appendVersionEvent } from './version-event';

export interface DiscardControlsInput {
  readonly organizationId: string;
  readonly versionId: string;
  /** Id of the API key. */
  readonly discardedBy: string | null;
}

/**
 * Takes a draft out of the way, or what waits of a scheduled version: what it tightened stays, and becomes a version of
 * its own; what it would have loosened is forgotten. A version that is in force is replaced, never discarded.
 */
export async function discardControls(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: DiscardControlsInput,
): Promise<Result<ControlVersionRow, Refusal>> {
  const { organizationId, versionId } = input;
  const found = await findVersion(trx, organizationId, versionId);
  if (found === undefined) return err(refusal('not_found', 'there is no control version with this id'));
  const scope = { kind: found.scope_kind, id: found.scope_id };
  const now = deps.clock.now();
  const opened = await openScope(trx, organizationId, scope, now);
  if (!opened.ok) return opened;
  const version = (await findVersion(trx, organizationId, versionId)) ?? found;
  if (version.state === 'discarded') return ok(version);
  if (version.state === 'active' || version.state === 'superseded') {
    return err(
      refusal('state_conflict', `The version is ${version.state}; promote or roll back to another one instead.`),
    );
  }
  const discarded = await moveVersion(trx, version, { kind: 'discarded' });
  await appendVersionEvent(trx, 'control_version.discarded', discarded);
  if (version.state === 'scheduled') {
    const kept = await keepWhatApplies(trx, input, opened.value, now);
    if (!kept.ok) return kept;
  }
  return ok(discarded);
}

async function keepWhatApplies(
  trx: Transaction,
  input: DiscardControlsInput,
  { standing, active }: OpenScope,
  now: Date,
): Promise<Result<null, Refusal>> {
  invariant(standing.kind !== 'program', 'a program policy never waits');
  const scope = { kind: standing.kind, id: active.scope_id };
  const inForce = effectiveControls(standing.document, standing.pending, now);
  const placed = await placeControls(trx, input.organizationId, scope, inForce, null);
  if (!placed.ok) return placed;
  if (documentDiff(active.document, inForce).length === 0) {
    await updateVersion(trx, input.organizationId, active.id, { applied_version: placed.value });
    return ok(null);
  }
  await moveVersion(trx, active, { kind: 'replaced' });
  await insertVersion(trx, {
    organization_id: input.organizationId,
    id: newId(),
    scope_kind: scope.kind,
    scope_id: scope.id,
    state: 'active',
    document: inForce,
    note: '',
    base_version: active.version,
    restores_version: null,
    created_by: input.discardedBy,
    promoted_by: input.discardedBy,
    promoted_at: now,
    effective_at: now,
    applied_version: placed.value,
  });
  return ok(null);
}
