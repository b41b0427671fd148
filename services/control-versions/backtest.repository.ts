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

/**
 * Condition on authorizations `a`; takes the organization and the scope. A card's are all of its account's: what is spent with another
 * card counts in the account's limits.
 */
const OF_SCOPE: Readonly<Record<ScopeKind, string>> = {
  program: 'a.organization_id = :organizationId AND a.program_id = :scopeId',
  account: 'a.organization_id = :organizationId AND a.account_id = :scopeId',
  card: `a.organization_id = :organizationId
    AND a.account_id = (SELECT c.account_id FROM cards c WHERE c.organization_id = :organizationId AND c.id = :scopeId)`,
};

const HOUR_MS = 3_600_000;
/** No hold lasts longer than 60 days, and nothing that happens to a purchase after its end counts. */
const HOLD_DAYS_MAX = 61;

/** The lowest id (UUIDv7) that may have been made at an instant, an hour's difference of clocks allowed for. */
function idFloor(at: Date, marginMs: number): string {
  const hex = Math.max(0, at.getTime() + marginMs)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

function bindings(organizationId: string, window: HistoryWindow, after: string | null, limit: number) {
  return {
    organizationId,
    scopeId: window.scope.id,
    after: after ?? idFloor(window.from, -HOUR_MS),
    end: idFloor(window.before, HOUR_MS),
    oldest: idFloor(window.from, -HOLD_DAYS_MAX * 24 * HOUR_MS),
    from: window.from,
    before: window.before,
    limit,
  };
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
     WHERE ${OF_SCOPE[window.scope.kind]} AND a.id > :after AND a.id < :end AND a.created_at >= :from AND a.created_at < :before
     ORDER BY a.id LIMIT :limit`,
    bindings(organizationId, window, after, limit),
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
  /** When it was opened again the last time before, and what was cleared of it by then, cents; null: never. */
  readonly opened_at: Date | null;
  readonly opened_with: bigint | null;
  /** Of the decision. */
  readonly receipt: string;
}

/**
 * The next events about authorizations within the window, oldest first. A program's are found among all events of the
 * period; an account's or a card's by its authorizations, which are few.
 */
export async function findHistoryEvents(
  trx: Transaction,
  organizationId: string,
  window: HistoryWindow,
  after: string | null,
  limit: number,
): Promise<HistoryEvent[]> {
  const { kind } = window.scope;
  const found: { rows: HistoryEvent[] } = await trx.raw(
    `WITH purchase AS ${kind === 'program' ? 'NOT MATERIALIZED' : 'MATERIALIZED'} (
       SELECT a.organization_id, a.id, a.account_id, a.card_id, a.created_at, a.merchant FROM authorizations a
       WHERE ${OF_SCOPE[kind]} AND a.id > :oldest AND a.id < :end)
     SELECT e.id, e.type, e.created_at, e.data, p.data AS previous_data, a.id AS authorization_id, a.account_id, a.card_id,
       a.created_at AS decided_at, a.merchant->>'mcc' AS mcc, a.merchant->>'id' AS merchant_id,
       g.created_at AS opened_at, g.total_before AS opened_with,
       (SELECT r.receipt FROM authorizations r WHERE r.organization_id = :organizationId AND r.id = e.resource_id) AS receipt
     FROM purchase a
     JOIN events e ON e.organization_id = a.organization_id AND e.resource_id = a.id
     LEFT JOIN LATERAL (SELECT o.data FROM events o WHERE o.organization_id = e.organization_id
       AND o.resource_id = e.resource_id AND o.id < e.id ORDER BY o.id DESC LIMIT 1) p ON true
     LEFT JOIN LATERAL (SELECT g.created_at, g.total_before FROM authorization_amendments g WHERE g.organization_id = a.organization_id
       AND g.authorization_id = a.id AND g.id < e.id AND g.opened_again ORDER BY g.id DESC LIMIT 1) g ON true
     WHERE e.organization_id = :organizationId AND e.resource_kind = 'authorization' AND e.id > :after AND e.id < :end
       AND e.created_at >= :from AND e.created_at < :before
     ORDER BY e.id LIMIT :limit`,
    bindings(organizationId, window, after, limit),
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

/** What a scope has spent along both histories, as `backtest_counters.windows` keeps it. */
type StoredSimulation = Pick<SimulatedCounters, 'drafted' | 'happened'> | StoredLimitCounters;

export async function findSimulatedCounters(
  trx: Transaction,
  organizationId: string,
  backtestId: string,
  scopeIds: readonly string[],
): Promise<Map<string, SimulatedCounters>> {
  const rows: { scope_id: string; windows: StoredSimulation | null; time_zone: string }[] = await trx(
    'backtest_counters',
  )
    .where({ organization_id: organizationId, backtest_id: backtestId })
    .whereIn('scope_id', [...scopeIds])
    .select('scope_id', 'windows', 'time_zone');
  return new Map(
    rows.map(({ scope_id, windows, time_zone: timeZone }) => {
      // Until 2026-11-21 only the draft's were kept.
      const both = windows !== null && 'drafted' in windows ? windows : { drafted: windows, happened: windows };
      return [scope_id, { ...both, timeZone }];
    }),
  );
}

export async function saveSimulatedCounters(
  trx: Transaction,
  organizationId: string,
  backtestId: string,
  counters: ReadonlyMap<string, SimulatedCounters>,
): Promise<void> {
  if (counters.size === 0) return;
  const rows = [...counters].map(([scopeId, { drafted, happened, timeZone }]) => ({
    organization_id: organizationId,
    backtest_id: backtestId,
    scope_id: scopeId,
    windows: JSON.stringify({ drafted, happened }),
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
