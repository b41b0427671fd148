import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type ControlVersionRow, findNumberedVersion, findVersion } from './control-version.repository';
import type { DraftControlsDeps } from './draft-controls';
import { moveVersion, type OpenScope, openScope } from './open-scope';
import { putInForce } from './put-in-force';
import type { ControlScope } from './rules/control-scope';
import { appendVersionEvent } from './version-event';

export interface PromoteControlsInput {
  readonly organizationId: string;
  readonly versionId: string;
  /** Promote it even though another version than it was drafted on is the newest promoted: what came of that is undone. */
  readonly force: boolean;
  /** Id of the API key. */
  readonly promotedBy: string | null;
}

/**
 * Puts a draft in force. A program's policy at once; of controls what is tighter at once and what is looser after the
 * program's cooling-off: until then the version is `scheduled`. Refused when a newer version was promoted since the draft
 * was made, because the draft does not know what that one changed, or when the one it was made on was discarded, because
 * the draft may still have in it what was not wanted.
 */
export async function promoteControls(
  trx: Transaction,
  deps: DraftControlsDeps,
  input: PromoteControlsInput,
): Promise<Result<ControlVersionRow, Refusal>> {
  const { organizationId, versionId } = input;
  const found = await findVersion(trx, organizationId, versionId);
  if (found === undefined) return err(refusal('not_found', 'there is no control version with this id'));
  const scope: ControlScope = { kind: found.scope_kind, id: found.scope_id };
  const now = deps.clock.now();
  const opened = await openScope(trx, organizationId, scope, now);
  if (!opened.ok) return opened;
  // Read again: somebody may have promoted or discarded it before the lock was ours.
  const draft = (await findVersion(trx, organizationId, versionId)) ?? found;
  const refused = await refusePromotion(trx, draft, scope, opened.value, input.force);
  if (refused !== null) return err(refused);

  const { standing, active, scheduled } = opened.value;
  const placed = await putInForce(trx, deps, { organizationId, scope, standing, document: draft.document, now });
  if (!placed.ok) return placed;
  const { later, appliedVersion, changedNow } = placed.value;
  if (scheduled !== null) await moveVersion(trx, scheduled, { kind: 'replaced' });
  if (later === null) await moveVersion(trx, active, { kind: 'replaced' });
  const promoted = await moveVersion(
    trx,
    draft,
    { kind: 'promoted', waits: later !== null },
    {
      promoted_by: input.promotedBy,
      promoted_at: now,
      effective_at: later === null ? now : new Date(later.effective_at),
      applied_version: appliedVersion,
    },
  );
  await appendVersionEvent(trx, 'control_version.promoted', promoted);
  if (changedNow) await appendVersionEvent(trx, 'controls.changed', promoted);
  return ok(promoted);
}

async function refusePromotion(
  trx: Transaction,
  draft: ControlVersionRow,
  scope: ControlScope,
  { active, scheduled }: OpenScope,
  force: boolean,
): Promise<Refusal | null> {
  if (draft.state !== 'draft') {
    return refusal('state_conflict', `The version is ${draft.state}; only a draft can be promoted. Make a new draft.`);
  }
  const newest = (scheduled ?? active).version;
  const { base_version: base } = draft;
  if (force || newest === base || base === null) return null;
  const known = await findNumberedVersion(trx, draft.organization_id, scope, base);
  const happened =
    known?.state === 'discarded'
      ? `Version ${base}, on which this draft was made, was discarded since, and version ${newest} is in its place`
      : `Version ${newest} was promoted after this draft was made on version ${base}, and this draft would undo it`;
  return refusal(
    'state_conflict',
    `${happened}: make a new draft on version ${newest}, or promote this one with "force": true.`,
  );
}
