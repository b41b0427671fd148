import type { AssetCatalog } from '../assets/load-asset-catalog';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { Clock } from '../shared/clock';
import type { Refusal } from '../shared/refusal';
import { ok, type Result } from '../shared/result';
import { type ControlVersionRow, insertVersion } from './control-version.repository';
import { openScope } from './open-scope';
import { appendVersionEvent } from './version-event';
import { documentOf, scopeOf, type WantedControls } from './wanted-controls';

export interface DraftControlsDeps {
  readonly assets: AssetCatalog;
  readonly clock: Clock;
}

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
