import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { invariant, required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import {
  type ControlVersionRow,
  findPromoted,
  insertVersion,
  lockScope,
  type ScopeStanding,
  updateVersion,
} from './control-version.repository';
import { placeControls } from './put-in-force';
import type { ControlScope } from './rules/control-scope';
import { next, type VersionEvent } from './rules/version-state';
import { appendVersionEvent } from './version-event';

/** A scope that is locked, with the versions that are in force. */
export interface OpenScope {
  readonly standing: ScopeStanding;
  readonly active: ControlVersionRow;
  /** Promoted after `active`, while something in it waits. */
  readonly scheduled: ControlVersionRow | null;
}

const NO_SUCH: Readonly<Record<ControlScope['kind'], string>> = {
  program: 'there is no program with this id',
  account: 'there is no account with this id',
  card: 'there is no card with this id',
};

/**
 * Locks a scope and brings its versions up to date: what was in force before its first change becomes its first version,
 * and a version whose cooling-off is over becomes the active one.
 */
export async function openScope(
  trx: Transaction,
  organizationId: string,
  scope: ControlScope,
  now: Date,
): Promise<Result<OpenScope, Refusal>> {
  const standing = await lockScope(trx, organizationId, scope);
  if (standing === undefined) return err(refusal('not_found', NO_SUCH[scope.kind]));
  const { active, scheduled } = await findPromoted(trx, organizationId, scope);
  if (active === null) {
    const first = await recordStanding(trx, organizationId, scope, standing, now, null);
    return ok({ standing, active: first, scheduled: null });
  }
  if ((scheduled ?? active).applied_version !== standing.appliedVersion) {
    return ok(await recordForeignChange(trx, scope, standing, now, { active, scheduled }));
  }
  if (standing.kind === 'program' || scheduled === null) return ok({ standing, active, scheduled: null });
  if (required(scheduled.effective_at, 'the deadline of a scheduled version') > now) {
    return ok({ standing, active, scheduled });
  }
  return ok(await takeEffect(trx, organizationId, { kind: standing.kind, id: scope.id }, active, scheduled));
}

/** The rules were changed past the versions (by an operator's hand): the history says so, and goes on from what is. */
async function recordForeignChange(
  trx: Transaction,
  scope: ControlScope,
  standing: ScopeStanding,
  now: Date,
  { active, scheduled }: Pick<OpenScope, 'active' | 'scheduled'>,
): Promise<OpenScope> {
  await moveVersion(trx, active, { kind: 'replaced' });
  if (scheduled !== null) await moveVersion(trx, scheduled, { kind: 'replaced' });
  const base = (scheduled ?? active).version;
  const found = await recordStanding(trx, active.organization_id, scope, standing, now, base);
  return { standing, active: found, scheduled: null };
}

/** What is in force, as a version that nobody drafted. */
async function recordStanding(
  trx: Transaction,
  organizationId: string,
  scope: ControlScope,
  standing: ScopeStanding,
  now: Date,
  baseVersion: number | null,
): Promise<ControlVersionRow> {
  return insertVersion(trx, {
    organization_id: organizationId,
    id: newId(),
    scope_kind: scope.kind,
    scope_id: scope.id,
    state: 'active',
    document: standing.document,
    note: '',
    base_version: baseVersion,
    restores_version: null,
    created_by: null,
    promoted_by: null,
    promoted_at: now,
    effective_at: now,
    applied_version: standing.appliedVersion,
  });
}

/** The cooling-off of `scheduled` is over: decisions have gone by it since its deadline, now the rows say so too. */
async function takeEffect(
  trx: Transaction,
  organizationId: string,
  scope: { readonly kind: 'account' | 'card'; readonly id: string },
  active: ControlVersionRow,
  scheduled: ControlVersionRow,
): Promise<OpenScope> {
  const standing = required(await lockScope(trx, organizationId, scope), 'a scope under lock');
  invariant(standing.kind !== 'program', 'only controls of accounts and cards wait');
  const waited = standing.pending?.controls ?? standing.document;
  const placed = await placeControls(trx, organizationId, scope, waited, null);
  await moveVersion(trx, active, { kind: 'replaced' });
  const appliedVersion = placed.ok ? placed.value : standing.appliedVersion;
  const due = await moveVersion(trx, scheduled, { kind: 'due' }, { applied_version: appliedVersion });
  await appendVersionEvent(trx, 'controls.changed', due);
  return { standing: { ...standing, document: waited, pending: null, appliedVersion }, active: due, scheduled: null };
}

/** Moves a version whose state allows it; that it does is the caller's to know. */
export async function moveVersion(
  trx: Transaction,
  row: ControlVersionRow,
  event: VersionEvent,
  change: Omit<Parameters<typeof updateVersion>[3], 'state'> = {},
): Promise<ControlVersionRow> {
  const transition = next(row.state, event);
  invariant(transition.kind === 'changed', `control version ${row.id}: ${event.kind} in state ${row.state}`);
  return updateVersion(trx, row.organization_id, row.id, { ...change, state: transition.state });
}
