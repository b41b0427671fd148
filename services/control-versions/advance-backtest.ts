import type { Knex } from 'knex';
import { countedAmount } from '../authorizations/rules/counted-amount';
import { decisionInputsOf, marketOfRecord, type Receipt } from '../authorizations/rules/receipt';
import type { MarketSnapshot } from '../authorizations/rules/spend-snapshot';
import { inOrganization, type Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { parseDecimal } from '../shared/money';
import { done, type StepResult, waiting } from '../shared/step';
import {
  type BacktestRow,
  deleteSimulation,
  findHistory,
  findHistoryEvents,
  findMarkets,
  findPolicies,
  findSimulatedChanges,
  findSimulatedCounters,
  type HistoryAuthorization,
  type HistoryEvent,
  type HistoryWindow,
  insertSimulatedChanges,
  lockBacktest,
  saveSimulatedCounters,
  updateBacktest,
} from './backtest.repository';
import { appendBacktestEvent } from './backtest-event';
import { findVersion } from './control-version.repository';
import { type Correction, type Replay, replayCorrection, replayDecision, type StoredDecision } from './rules/backtest';
import type { ControlScope } from './rules/control-scope';

export interface AdvanceBacktestDeps {
  readonly knex: Knex;
  readonly clock: Clock;
}

export interface BacktestPace {
  /** What a page holds at most: decisions, and as many events about earlier ones. */
  readonly page: number;
  /** A step ends well within its activity's time, so that a killed worker costs little. */
  readonly pagesPerStep: number;
}

const PACE: BacktestPace = { page: 250, pagesPerStep: 10 };

/**
 * Takes the next pages of stored authorizations again under the backtest's document. Each page commits by itself with its
 * cursor, so a run that was broken off goes on where it was, and a cancelled one ends before its next page.
 */
export async function advanceBacktest(
  deps: AdvanceBacktestDeps,
  input: { readonly organizationId: string; readonly backtestId: string },
  pace: BacktestPace = PACE,
): Promise<StepResult> {
  const { organizationId, backtestId } = input;
  for (let page = 0; page < pace.pagesPerStep; page += 1) {
    const state = await inOrganization(deps.knex, organizationId, (trx) =>
      replayPage(trx, deps.clock.now(), organizationId, backtestId, pace.page),
    );
    if (state === 'finished' || state === 'cancelled') return done(state);
  }
  return waiting('running', 'more pages', 0);
}

async function replayPage(
  trx: Transaction,
  now: Date,
  organizationId: string,
  backtestId: string,
  size: number,
): Promise<BacktestRow['state']> {
  const row = required(await lockBacktest(trx, organizationId, backtestId), `backtest ${backtestId}`);
  if (row.state === 'finished' || row.state === 'cancelled') return row.state;
  const version = required(await findVersion(trx, organizationId, row.control_version_id), 'the version of a backtest');
  const scope: ControlScope = { kind: version.scope_kind, id: version.scope_id };
  const window = { scope, from: row.period_from, before: row.period_before };
  const page = await readPage(trx, organizationId, row, window, size);
  const scopeIds = [...page.authorizations, ...page.events].flatMap((item) => [item.account_id, item.card_id]);
  const replay: Replay = {
    scope,
    document: version.document,
    counters: await findSimulatedCounters(trx, organizationId, backtestId, [...new Set(scopeIds), scope.id]),
    changes: await findSimulatedChanges(
      trx,
      organizationId,
      backtestId,
      page.events.map((event) => event.authorization_id),
    ),
    result: row.result,
  };
  for (const item of await historyOf(trx, organizationId, page)) {
    if ('outcome' in item) replayDecision(replay, item);
    else replayCorrection(replay, item);
  }
  const progress = {
    state: page.last ? ('finished' as const) : ('running' as const),
    authorization_cursor: page.authorizations.at(-1)?.id ?? row.authorization_cursor,
    event_cursor: page.events.at(-1)?.id ?? row.event_cursor,
    cursor_at: page.last ? row.period_before : page.until,
    examined: row.examined + page.authorizations.filter((each) => isExamined(scope, each)).length,
    result: replay.result,
    started_at: row.started_at ?? now,
    finished_at: page.last ? now : null,
  };
  const updated = await updateBacktest(trx, organizationId, backtestId, progress);
  if (page.last) {
    await deleteSimulation(trx, organizationId, backtestId);
    await appendBacktestEvent(trx, 'backtest.finished', updated);
  } else {
    await saveSimulatedCounters(trx, organizationId, backtestId, replay.counters);
    await insertSimulatedChanges(trx, organizationId, backtestId, replay.changes);
  }
  return updated.state;
}

/** Of a card's account, what other cards spent is only counted along. */
function isExamined(scope: ControlScope, { card_id: cardId }: HistoryAuthorization): boolean {
  return scope.kind !== 'card' || scope.id === cardId;
}

interface HistoryPage {
  readonly authorizations: readonly HistoryAuthorization[];
  readonly events: readonly HistoryEvent[];
  /** Nothing of the period is left after it. */
  readonly last: boolean;
  /** Everything decided and told before this instant is in this page or an earlier one. */
  readonly until: Date;
}

/** The next part of both histories that ends at the same instant. */
async function readPage(
  trx: Transaction,
  organizationId: string,
  row: BacktestRow,
  window: HistoryWindow,
  size: number,
): Promise<HistoryPage> {
  const authorizations = await findHistory(trx, organizationId, window, row.authorization_cursor, size);
  const events = await findHistoryEvents(trx, organizationId, window, row.event_cursor, size);
  // How far a part of a history reaches: a full one to its last entry.
  const endOf = (part: readonly { readonly created_at: Date }[]) => (part.length < size ? window.before : latest(part));
  const until = earlier(endOf(authorizations), endOf(events));
  if (until >= window.before) return { authorizations, events, last: true, until };
  return { authorizations: upTo(authorizations, until), events: upTo(events, until), last: false, until };
}

function latest(part: readonly { readonly created_at: Date }[]): Date {
  return new Date(Math.max(...part.map((each) => each.created_at.getTime())));
}

function earlier(one: Date, other: Date): Date {
  return one <= other ? one : other;
}

/** The entries to the last one that is not after `until`: order of ids and of times may differ by a little. */
function upTo<Entry extends { readonly created_at: Date }>(part: readonly Entry[], until: Date): readonly Entry[] {
  const end = part.findLastIndex((each) => each.created_at <= until);
  return part.slice(0, end + 1);
}

/** Decisions and corrections in the order in which they happened. */
async function historyOf(
  trx: Transaction,
  organizationId: string,
  page: HistoryPage,
): Promise<readonly (StoredDecision | Correction)[]> {
  const receipts = page.authorizations.map((each) => readReceipt(each.receipt));
  const batchIds = page.authorizations.flatMap((each) => each.batch_id ?? []);
  const markets = new Map<string, MarketSnapshot>();
  for (const [id, text] of await findMarkets(trx, batchIds)) markets.set(id, marketOfRecord(text));
  const policies = await findPolicies(trx, organizationId, namedPolicies(receipts));
  const decisions = page.authorizations.map((each, index) =>
    storedDecision(each, receipts[index] ?? null, markets.get(each.batch_id ?? ''), policies),
  );
  const items = [
    ...decisions.map((item) => ({ at: item.decidedAt.getTime(), item })),
    ...page.events.flatMap((event) => correctionOf(event)).map((item) => ({ at: item.at.getTime(), item })),
  ];
  return items.sort((one, other) => one.at - other.at).map(({ item }) => item);
}

/** A receipt that carries every input, or null. */
function readReceipt(text: string): Receipt | null {
  const receipt: unknown = JSON.parse(text);
  return typeof receipt === 'object' && receipt !== null && 'form' in receipt ? (receipt as Receipt) : null;
}

function namedPolicies(receipts: readonly (Receipt | null)[]): { programId: string; version: number }[] {
  const named = new Map<string, { programId: string; version: number }>();
  for (const receipt of receipts) {
    if (receipt === null) continue;
    const policy = { programId: receipt.program.id, version: receipt.policy };
    named.set(`${policy.programId}:${policy.version}`, policy);
  }
  return [...named.values()];
}

function storedDecision(
  row: HistoryAuthorization,
  receipt: Receipt | null,
  market: MarketSnapshot | undefined,
  policies: ReadonlyMap<string, ProgramPolicy>,
): StoredDecision {
  const policy = receipt === null ? undefined : policies.get(`${receipt.program.id}:${receipt.policy}`);
  // What was answered, whatever the rules said.
  const approved = row.decline_reason === null ? approvedOf(receipt) : 0n;
  const common = {
    authorizationId: row.id,
    accountId: row.account_id,
    cardId: row.card_id,
    decidedAt: row.created_at,
    mcc: row.mcc,
    merchantId: row.merchant_id,
    requestedAmount: row.requested_amount,
    countedAmount: approved,
  };
  if (receipt === null || market === undefined || policy === undefined) {
    const outcome = { result: 'declined', approved: '0' } as const;
    return { ...common, outcome: receipt?.outcome ?? outcome, inputs: { missing: 'inputs_missing' } };
  }
  const answered = (receipt.outcome.reason ?? null) === row.decline_reason;
  const inputs = answered ? decisionInputsOf(receipt, market, policy) : ({ missing: 'answered_otherwise' } as const);
  return { ...common, outcome: receipt.outcome, inputs };
}

/** Cents that counted for an authorization when it was decided. Money that comes back counts for nothing. */
function approvedOf(receipt: Receipt | null): bigint {
  return receipt === null || receipt.request.kind === 'refund_authorization' ? 0n : BigInt(receipt.outcome.approved);
}

/** What an event about an authorization changed of what counts; nothing: no correction. */
function correctionOf(event: HistoryEvent): Correction[] {
  const after = standingOf(event.data);
  const approved = approvedOf(readReceipt(event.receipt));
  // What was approved for nothing holds nothing: it has ended at once.
  const decidedAs = { counted: approved, ended: approved === 0n };
  const before = event.previous_data === null ? decidedAs : standingOf(event.previous_data);
  // The first event of older authorizations is an event like others, and tells what was decided.
  const decided = event.type === 'authorization.approved' || event.type === 'authorization.declined';
  if (decided || after === null || before === null) return [];
  if (after.counted === before.counted) return [];
  return [
    {
      authorizationId: event.authorization_id,
      accountId: event.account_id,
      cardId: event.card_id,
      at: event.created_at,
      purchase: { at: event.decided_at, mcc: event.mcc, merchantId: event.merchant_id },
      approved,
      countedBefore: before.counted,
      countedAfter: after.counted,
      isOneMore: before.ended && (!after.ended || before.counted === 0n),
      opened: event.opened_at === null ? null : { at: event.opened_at, counted: event.opened_with ?? 0n },
    },
  ];
}

interface Standing {
  /** Cents that the purchase counts for. */
  readonly counted: bigint;
  readonly ended: boolean;
}

/** What an event's object says of an authorization's standing; null where it does not say. */
function standingOf(data: unknown): Standing | null {
  const approved = centsOf(data, 'approved');
  const reversed = centsOf(data, 'reversed');
  const cleared = centsOf(data, 'cleared');
  if (approved === null || reversed === null || cleared === null) return null;
  const state: unknown = Reflect.get(data as object, 'state');
  const ended = state !== 'pending' && state !== 'partially_cleared';
  // Of ended ones, which it was is of no account.
  const standing = { state: ended ? 'cleared' : 'pending', approved, reversed, cleared } as const;
  return { counted: countedAmount(standing), ended };
}

function centsOf(data: unknown, field: string): bigint | null {
  if (typeof data !== 'object' || data === null) return null;
  const money: unknown = Reflect.get(data, field);
  if (typeof money !== 'object' || money === null) return null;
  const amount: unknown = Reflect.get(money, 'amount');
  if (typeof amount !== 'string') return null;
  const parsed = parseDecimal(amount, 2);
  return parsed.ok ? parsed.value : null;
}
