import type { Knex } from 'knex';
import type { PendingControls, SpendControls } from '../cards/rules/spend-controls';
import type { Page, PageRequest } from '../database/page';
import { findPage, findRow } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { required } from '../shared/assert';
import type { ControlDocument, ControlScope, ScopeKind } from './rules/control-scope';
import type { VersionState } from './rules/version-state';

/** A row of `control_versions`, columns as they are named there. */
export interface ControlVersionRow {
  readonly organization_id: string;
  readonly id: string;
  readonly scope_kind: ScopeKind;
  readonly scope_id: string;
  readonly version: number;
  readonly state: VersionState;
  readonly document: ControlDocument;
  readonly note: string;
  readonly base_version: number | null;
  readonly restores_version: number | null;
  readonly created_by: string | null;
  readonly promoted_by: string | null;
  readonly created_at: Date;
  readonly promoted_at: Date | null;
  readonly effective_at: Date | null;
  readonly applied_version: number | null;
  readonly updated_at: Date;
}

/** Rules of a scope as they stand. Under its lock. */
export type ScopeStanding =
  | { readonly kind: 'program'; readonly document: ProgramPolicy; readonly appliedVersion: number }
  | {
      readonly kind: 'account' | 'card';
      readonly accountId: string;
      readonly document: SpendControls;
      readonly pending: PendingControls | null;
      readonly appliedVersion: number;
      readonly coolingOffHours: number;
    };

const STANDING_SQL: Readonly<Record<ScopeKind, string>> = {
  program: `
    SELECT p.policy_version AS applied_version, q.document, NULL AS account_id, NULL AS pending, NULL AS policy
    FROM programs p
    JOIN program_policies q ON q.organization_id = p.organization_id AND q.program_id = p.id AND q.version = p.policy_version
    WHERE p.organization_id = ? AND p.id = ?`,
  account: `
    SELECT a.controls_version AS applied_version, a.controls AS document, a.id AS account_id, a.pending_controls AS pending,
      q.document AS policy
    FROM accounts a
    JOIN programs p ON p.organization_id = a.organization_id AND p.id = a.program_id
    JOIN program_policies q ON q.organization_id = p.organization_id AND q.program_id = p.id AND q.version = p.policy_version
    WHERE a.organization_id = ? AND a.id = ?`,
  card: `
    SELECT c.controls_version AS applied_version, c.controls AS document, c.account_id, c.pending_controls AS pending,
      q.document AS policy
    FROM cards c
    JOIN programs p ON p.organization_id = c.organization_id AND p.id = c.program_id
    JOIN program_policies q ON q.organization_id = p.organization_id AND q.program_id = p.id AND q.version = p.policy_version
    WHERE c.organization_id = ? AND c.id = ?`,
};

const LOCK_SQL: Readonly<Record<ScopeKind, readonly string[]>> = {
  program: ['SELECT 1 FROM programs WHERE organization_id = ? AND id = ? FOR UPDATE'],
  account: ['SELECT 1 FROM accounts WHERE organization_id = ? AND id = ? FOR UPDATE'],
  // The account before its cards, like everybody who changes what a decision reads.
  card: [
    `SELECT 1 FROM accounts a WHERE (a.organization_id, a.id) =
       (SELECT c.organization_id, c.account_id FROM cards c WHERE c.organization_id = ? AND c.id = ?) FOR UPDATE`,
    'SELECT 1 FROM cards WHERE organization_id = ? AND id = ? FOR UPDATE',
  ],
};

/** The scope's rules, its row (and the account's, for a card) locked until the transaction ends. */
export async function lockScope(
  trx: Transaction,
  organizationId: string,
  scope: ControlScope,
): Promise<ScopeStanding | undefined> {
  for (const sql of LOCK_SQL[scope.kind]) await trx.raw(sql, [organizationId, scope.id]);
  const found: {
    rows: {
      applied_version: number;
      document: ControlDocument;
      account_id: string | null;
      pending: PendingControls | null;
      policy: ProgramPolicy | null;
    }[];
  } = await trx.raw(STANDING_SQL[scope.kind], [organizationId, scope.id]);
  const row = found.rows[0];
  if (row === undefined) return undefined;
  if (scope.kind === 'program') {
    return { kind: 'program', document: row.document as ProgramPolicy, appliedVersion: row.applied_version };
  }
  return {
    kind: scope.kind,
    accountId: required(row.account_id, 'the account of a scope'),
    document: row.document as SpendControls,
    pending: row.pending,
    appliedVersion: row.applied_version,
    coolingOffHours: row.policy?.controls_cooling_off_hours ?? 0,
  };
}

export type NewControlVersion = Omit<ControlVersionRow, 'version' | 'created_at' | 'updated_at'>;

/** Inserts the next version of its scope. Under the scope's lock. */
export async function insertVersion(trx: Transaction, row: NewControlVersion): Promise<ControlVersionRow> {
  const { organization_id, scope_kind, scope_id } = row;
  const [last]: { version: number | null }[] = await trx('control_versions')
    .where({ organization_id, scope_kind, scope_id })
    .max('version as version');
  const rows = await trx('control_versions')
    .insert({ ...row, document: JSON.stringify(row.document), version: (last?.version ?? 0) + 1 })
    .returning<ControlVersionRow[]>('*');
  return required(rows[0], 'the new version');
}

export async function findVersion(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<ControlVersionRow | undefined> {
  return findRow<ControlVersionRow>(trx, 'control_versions', organizationId, id);
}

/** A version by its number in its scope. */
export async function findNumberedVersion(
  trx: Transaction,
  organizationId: string,
  scope: ControlScope,
  version: number,
): Promise<ControlVersionRow | undefined> {
  return trx('control_versions')
    .where({ organization_id: organizationId, scope_kind: scope.kind, scope_id: scope.id, version })
    .first<ControlVersionRow | undefined>('*');
}

/** The versions of a scope that are in force, wholly or in part: at most one each. */
export async function findPromoted(
  trx: Transaction,
  organizationId: string,
  scope: ControlScope,
): Promise<{ readonly active: ControlVersionRow | null; readonly scheduled: ControlVersionRow | null }> {
  const rows: ControlVersionRow[] = await trx('control_versions')
    .where({ organization_id: organizationId, scope_kind: scope.kind, scope_id: scope.id })
    .whereIn('state', ['active', 'scheduled']);
  const of = (state: VersionState) => rows.find((row) => row.state === state) ?? null;
  return { active: of('active'), scheduled: of('scheduled') };
}

export async function updateVersion(
  trx: Transaction,
  organizationId: string,
  id: string,
  change: Partial<
    Pick<ControlVersionRow, 'state' | 'promoted_by' | 'promoted_at' | 'effective_at' | 'applied_version'>
  >,
): Promise<ControlVersionRow> {
  const rows = await trx('control_versions')
    .where({ organization_id: organizationId, id })
    .update({ ...change, updated_at: trx.fn.now() })
    .returning<ControlVersionRow[]>('*');
  return required(rows[0], `control version ${id}`);
}

export async function findVersions(
  trx: Transaction,
  organizationId: string,
  filter: { readonly scope?: ControlScope | undefined; readonly state?: VersionState | undefined },
  page: PageRequest,
): Promise<Page<ControlVersionRow>> {
  return findPage<ControlVersionRow>(trx, 'control_versions', organizationId, page, {
    where: { scope_kind: filter.scope?.kind, scope_id: filter.scope?.id, state: filter.state },
  });
}

/** Versions whose cooling-off is over, of all organizations, longest due first. Needs the worker's role. */
export async function findDueVersions(
  knex: Knex,
  now: Date,
  limit: number,
): Promise<Pick<ControlVersionRow, 'organization_id' | 'id' | 'scope_kind' | 'scope_id'>[]> {
  return knex('control_versions')
    .where('state', 'scheduled')
    .where('effective_at', '<=', now)
    .orderBy('effective_at')
    .limit(limit)
    .select('organization_id', 'id', 'scope_kind', 'scope_id');
}
