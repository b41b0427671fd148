import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, type Result } from '../shared/result';
import { type ControlVersionRow, findVersion, insertVersion } from './control-version.repository';
import type { DraftControlsDeps } from './draft-controls';
import { openScope } from './open-scope';
import { promoteControls } from './promote-controls';

export interface RollBackControlsInput {
  readonly organizationId: string;
  /** The older version whose document is wanted back. */
  readonly versionId: string;
  readonly note: string;
  /** Id of the API key. */
  readonly promotedBy: string | null;
}

/**
 * Puts the document of an older version in force again, as a new version. It is a change like any other: what it loosens
 * waits for the cooling-off.
 */
export async function rollBackControls(
  trx: Transaction,
  deps: DraftControlsDeps,
  input: RollBackControlsInput,
): Promise<Result<ControlVersionRow, Refusal>> {
  const { organizationId, promotedBy } = input;
  const older = await findVersion(trx, organizationId, input.versionId);
  if (older === undefined) return err(refusal('not_found', 'there is no control version with this id'));
  if (older.promoted_at === null) {
    return err(
      refusal('state_conflict', `The version is ${older.state} and was never in force: roll back to one that was.`),
    );
  }
  const scope = { kind: older.scope_kind, id: older.scope_id };
  const opened = await openScope(trx, organizationId, scope, deps.clock.now());
  if (!opened.ok) return opened;
  const { active, scheduled } = opened.value;
  if (active.id === older.id && scheduled === null) {
    return err(refusal('state_conflict', 'The version is the active one: there is nothing to roll back.'));
  }
  const draft = await insertVersion(trx, {
    organization_id: organizationId,
    id: newId(),
    scope_kind: scope.kind,
    scope_id: scope.id,
    state: 'draft',
    document: older.document,
    note: input.note,
    base_version: (scheduled ?? active).version,
    restores_version: older.version,
    created_by: promotedBy,
    promoted_by: null,
    promoted_at: null,
    effective_at: null,
    applied_version: null,
  });
  return promoteControls(trx, deps, { organizationId, versionId: draft.id, force: false, promotedBy });
}
