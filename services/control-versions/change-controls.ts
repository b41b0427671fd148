import type { Transaction } from '../database/transaction';
import type { Refusal } from '../shared/refusal';
import { ok, type Result } from '../shared/result';
import type { ControlVersionRow } from './control-version.repository';
import { type DraftControlsDeps, type DraftControlsInput, draftControls } from './draft-controls';
import { openScope } from './open-scope';
import { promoteControls } from './promote-controls';
import { documentDiff } from './rules/document-diff';
import { documentOf, scopeOf } from './wanted-controls';

/**
 * Drafts and promotes at once: for whoever does not need the two steps. The history is the same. What was promoted last
 * already is not promoted again.
 */
export async function changeControls(
  trx: Transaction,
  deps: DraftControlsDeps,
  input: DraftControlsInput,
): Promise<Result<ControlVersionRow, Refusal>> {
  const { organizationId, wanted, createdBy } = input;
  const opened = await openScope(trx, organizationId, scopeOf(wanted), deps.clock.now());
  if (!opened.ok) return opened;
  const { standing, active, scheduled } = opened.value;
  const document = documentOf(wanted, standing, deps.assets);
  if (!document.ok) return document;
  const newest = scheduled ?? active;
  if (documentDiff(newest.document, document.value).length === 0) return ok(newest);

  const drafted = await draftControls(trx, deps, input);
  if (!drafted.ok) return drafted;
  return promoteControls(trx, deps, {
    organizationId,
    versionId: drafted.value.id,
    force: false,
    promotedBy: createdBy,
  });
}
