import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { ControlVersionRow } from './control-version.repository';
import type { ScopeKind } from './rules/control-scope';

type VersionEventType =
  | 'control_version.drafted'
  | 'control_version.promoted'
  | 'control_version.discarded'
  /** What the rules of its scope allow is another than before: at a promotion, and when a cooling-off ends. */
  | 'controls.changed';

const ID_FIELD: Readonly<Record<ScopeKind, string>> = {
  program: 'program_id',
  account: 'account_id',
  card: 'card_id',
};

/** Tells the fintech of a version as it is now. The document itself is one request away. */
export async function appendVersionEvent(
  trx: Transaction,
  type: VersionEventType,
  row: ControlVersionRow,
): Promise<void> {
  await appendEvent(trx, {
    organizationId: row.organization_id,
    type,
    resourceKind: 'controlVersion',
    resourceId: row.id,
    data: {
      scope: row.scope_kind,
      [ID_FIELD[row.scope_kind]]: row.scope_id,
      version: row.version,
      state: row.state,
      base_version: row.base_version,
      restores_version: row.restores_version,
      promoted_at: row.promoted_at?.toISOString() ?? null,
      effective_at: row.effective_at?.toISOString() ?? null,
      applied_version: row.applied_version,
    },
  });
}
