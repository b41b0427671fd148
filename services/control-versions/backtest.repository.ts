import type { StoredLimitCounters } from '../cards/rules/limit-counters';
import type { Page, PageRequest } from '../database/page';
import { findPage, findRow } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { required } from '../shared/assert';
import type { BacktestResult, SimulatedCounters } from './rules/backtest';
import type { ControlScope, ScopeKind } from './rules/control-scope';

export const BACKTEST_STATES = ['requested', 'running', 'finished', 'cancelled'] as const;

export type BacktestState = (typeof BACKTEST_STATES)[number];

/** A row of `backtests`, columns as they are named there. */
export interface BacktestRow {
  readonly organization_id: string;
  readonly id: string;
  readonly control_version_id: string;
  readonly state: BacktestState;
  readonly period_from: Date;
  readonly period_before: Date;
  readonly authorization_cursor: string | null;
  readonly event_cursor: string | null;
  readonly cursor_at: Date | null;
  readonly examined: number;
  readonly result: BacktestResult;
  readonly created_by: string | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly updated_at: Date;
}

export async function insertBacktest(
  trx: Transaction,
  row: Pick<
    BacktestRow,
    | 'organization_id'
    | 'id'
    | 'control_version_id'
    | 'state'
    | 'period_from'
    | 'period_before'
    | 'result'
    | 'created_by'
  >,
): Promise<BacktestRow> {
  const rows = await trx('backtests')
    .insert({ ...row, result: JSON.stringify(row.result) })
    .returning<BacktestRow[]>('*');
  return required(rows[0], 'the new backtest');
}

export async function findBacktest(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<BacktestRow | undefined> {
  return findRow<BacktestRow>(trx, 'backtests', organizationId, id);
}

export async function lockBacktest(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<BacktestRow | undefined> {
  return trx('backtests').where({ organization_id: organizationId, id }).forUpdate().first<BacktestRow | undefined>();
}

export async function updateBacktest(
  trx: Transaction,
  organizationId: string,
  id: string,
  change: Partial<
    Pick<
      BacktestRow,
      | 'state'
      | 'authorization_cursor'
      | 'event_cursor'
      | 'cursor_at'
      | 'examined'
      | 'result'
      | 'started_at'
      | 'finished_at'
    >
  >,
): Promise<BacktestRow> {
  const { result, ...rest } = change;
  const rows = await trx('backtests')
    .where({ organization_id: organizationId, id })
    .update({
      ...rest,
      ...(result === undefined ? {} : { result: JSON.stringify(result) }),
      updated_at: trx.fn.now(),
    })
    .returning<BacktestRow[]>('*');
  return required(rows[0], `backtest ${id}`);
}

export async function findBacktests(
  trx: Transaction,
  organizationId: string,
  filter: { readonly controlVersionId?: string | undefined; readonly state?: BacktestState | undefined },
  page: PageRequest,
): Promise<Page<BacktestRow>> {
  return findPage<BacktestRow>(trx, 'backtests', organizationId, page, {
    where: { control_version_id: filter.controlVersionId, state: filter.state },
  });
}

export async function countBacktestsUnderWay(trx: Transaction, organizationId: string): Promise<number> {
  const [row]: { count: string | number | bigint }[] = await trx('backtests')
    .where({ organization_id: organizationId })
    .whereIn('state', ['requested', 'running'])
    .count('* as count');
  return Number(row?.count ?? 0);
}

/** What of the stored traffic a backtest looks at. */
export interface HistoryWindow {
  readonly scope: ControlScope;
  readonly from: Date;
  readonly before: Date;
}

/** An authorization as it was stored. Amounts are cents. */
export interface HistoryAuthorization {
  readonly id: string;
  readonly account_id: string;
  readonly card_id: string;
  readonly created_at: Date;
  readonly requested_amount: bigint;
  readonly decline_reason: string | null;
  readonly mcc: string;
  readonly merchant_id: string;
  readonly receipt: string;
  readonly batch_id: string | null;
}

const SCOPE_COLUMN: Readonly<Record<ScopeKind, string>> = {
  program: 'a.program_id',
  account: 'a.account_id',
  card: 'a.card_id',
};

const HOUR_MS = 3_600_000;

/** The lowest id (UUIDv7) that may have been made at an instant, an hour's difference of clocks allowed for. */
function idFloor(at: Date, marginMs: number): string {
  const hex = Math.max(0, at.getTime() + marginMs)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** The next authorizations of the window, oldest first. */
export async function findHistory(
  trx: Transaction,
  organizationId: string,
  window: HistoryWindow,
  after: string | null,
  limit: number,
): Promise<HistoryAuthorization[]> {
  const found: { rows: HistoryAuthorization[] } = await trx.raw(
    `SELECT a.id, a.account_id, a.card_id, a.created_at, a.requested_amount, a.decline_reason, a.merchant->>'mcc' AS mcc,
       a.merchant->>'id' AS merchant_id, a.receipt, a.batch_id
     FROM authorizations a
     WHERE a.organization_id = ? AND ${SCOPE_COLUMN[window.scope.kind]} = ? AND a.id > ? AND a.id < ?
       AND a.created_at >= ? AND a.created_at < ?
     ORDER BY a.id LIMIT ?`,
    [
      organizationId,
      window.scope.id,
      after ?? idFloor(window.from, -HOUR_MS),
      idFloor(window.before, HOUR_MS),
      window.from,
      window.before,
      limit,
    ],
  );
  return found.rows;
}

/** An event about an authorization, with the standing that the one before told of. */
export interface HistoryEvent {
  readonly id: string;
  readonly type: string;
  readonly created_at: Date;
  readonly data: unknown;
  readonly previous_data: unknown;
  readonly authorization_id: string;
  readonly account_id: string;
  readonly card_id: string;
  readonly decided_at: Date;
  readonly mcc: string;
  readonly merchant_id: string;
  /** Only where no event went before. */
  readonly receipt: string | null;
}

/** The next events about authorizations within the window, oldest first. */
export async function findHistoryEvents(
  trx: Transaction,
  organizationId: string,
  window: HistoryWindow,
  after: string | null,
  limit: number,
): Promise<HistoryEvent[]> {
  const found: { rows: HistoryEvent[] } = await trx.raw(
    `SELECT e.id, e.type, e.created_at, e.data, p.data AS previous_data, a.id AS authorization_id,
       a.account_id, a.card_id, a.created_at AS decided_at, a.merchant->>'mcc' AS mcc, a.merchant->>'id' AS merchant_id,
       CASE WHEN p.data IS NULL THEN a.receipt END AS receipt
     FROM events e
     JOIN authorizations a ON a.organization_id = e.organization_id AND a.id = e.resource_id
     LEFT JOIN LATERAL (SELECT o.data FROM events o WHERE o.organization_id = e.organization_id
       AND o.resource_id = e.resource_id AND o.id < e.id ORDER BY o.id DESC LIMIT 1) p ON true
     WHERE e.organization_id = ? AND e.resource_kind = 'authorization' AND ${SCOPE_COLUMN[window.scope.kind]} = ?
       AND e.id > ? AND e.id < ? AND e.created_at >= ? AND e.created_at < ?
     ORDER BY e.id LIMIT ?`,
    [
      organizationId,
      window.scope.id,
      after ?? idFloor(window.from, -HOUR_MS),
      idFloor(window.before, HOUR_MS),
      window.from,
      window.before,
      limit,
    ],
  );
  return found.rows;
}

/** The markets that batches were decided on, by batch. */
export async function findMarkets(trx: Transaction, batchIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows: { id: string; market: string }[] = await trx('receipt_batches')
    .whereIn('id', [...new Set(batchIds)])
    .select('id', 'market');
  return new Map(rows.map((row) => [row.id, row.market]));
}

/** Policy documents of programs, by `program:version`. */
export async function findPolicies(
  trx: Transaction,
  organizationId: string,
  named: readonly { readonly programId: string; readonly version: number }[],
): Promise<ReadonlyMap<string, ProgramPolicy>> {
  if (named.length === 0) return new Map();
  const found: { rows: { program_id: string; version: number; document: ProgramPolicy }[] } = await trx.raw(
    `SELECT q.program_id, q.version, q.document FROM program_policies q
     JOIN unnest(?::uuid[], ?::int[]) AS w(program_id, version) ON q.program_id = w.program_id AND q.version = w.version
     WHERE q.organization_id = ?`,
    [named.map((each) => each.programId), named.map((each) => each.version), organizationId],
  );
  return new Map(found.rows.map((row) => [`${row.program_id}:${row.version}`, row.document]));
}

export async function findSimulatedCounters(
  trx: Transaction,
  organizationId: string,
  backtestId: string,
  scopeIds: readonly string[],
): Promise<Map<string, SimulatedCounters>> {
  const rows: { scope_id: string; windows: StoredLimitCounters | null; time_zone: string }[] = await trx(
    'backtest_counters',
  )
    .where({ organization_id: organizationId, backtest_id: backtestId })
    .whereIn('scope_id', [...scopeIds])
    .select('scope_id', 'windows', 'time_zone');
  return new Map(rows.map((row) => [row.scope_id, { windows: row.windows, timeZone: row.time_zone }]));
}

export async function saveSimulatedCounters(
  trx: Transaction,
  organizationId: string,
  backtestId: string,
  counters: ReadonlyMap<string, SimulatedCounters>,
): Promise<void> {
  if (counters.size === 0) return;
  const rows = [...counters].map(([scopeId, { windows, timeZone }]) => ({
    organization_id: organizationId,
    backtest_id: backtestId,
    scope_id: scopeId,
    windows: windows === null ? null : JSON.stringify(windows),
    time_zone: timeZone,
  }));
  await trx('backtest_counters')
    .insert(rows)
    .onConflict(['organization_id', 'backtest_id', 'scope_id'])
    .merge(['windows', 'time_zone']);
}

export async function findSimulatedChanges(
  trx: Transaction,
  organizationId: string,
  backtestId: string,
  authorizationIds: readonly string[],
): Promise<Map<string, bigint>> {
  const rows: { authorization_id: string; approved_amount: bigint }[] = await trx('backtest_changes')
    .where({ organization_id: organizationId, backtest_id: backtestId })
    .whereIn('authorization_id', [...authorizationIds])
    .select('authorization_id', 'approved_amount');
  return new Map(rows.map((row) => [row.authorization_id, row.approved_amount]));
}

/** Those that are known already stay. */
export async function insertSimulatedChanges(
  trx: Transaction,
  organizationId: string,
  backtestId: string,
  changes: ReadonlyMap<string, bigint>,
): Promise<void> {
  if (changes.size === 0) return;
  const rows = [...changes].map(([authorizationId, amount]) => ({
    organization_id: organizationId,
    backtest_id: backtestId,
    authorization_id: authorizationId,
    approved_amount: amount.toString(),
  }));
  await trx('backtest_changes').insert(rows).onConflict().ignore();
}

/** Where a run stood is of no use once it has ended. */
export async function deleteSimulation(trx: Transaction, organizationId: string, backtestId: string): Promise<void> {
  const of = { organization_id: organizationId, backtest_id: backtestId };
  await trx('backtest_counters').where(of).delete();
  await trx('backtest_changes').where(of).delete();
}
