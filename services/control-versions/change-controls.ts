import type { Transaction } from '../database/transaction';
import type { Refusal } from '../shared/refusal';
import type { Result } from '../shared/result';
import type { ControlVersionRow } from './control-version.repository';
import { type DraftControlsDeps, type DraftControlsInput, draftControls } from './draft-controls';
import { promoteControls } from './promote-controls';

/** Drafts and promotes at once: for whoever does not need the two steps. The history is the same. */
export async function changeControls(
  trx: Transaction,
  deps: DraftControlsDeps,
  input: DraftControlsInput,
): Promise<Result<ControlVersionRow, Refusal>> {
  const drafted = await draftControls(trx, deps, input);
  if (!drafted.ok) return drafted;
  const { organizationId, createdBy } = input;
  return promoteControls(trx, deps, {
    organizationId,
    versionId: drafted.value.id,
    force: false,
    promotedBy: createdBy,
  });
}
