import { type Decision, decideAuthorization } from '../../authorizations/rules/decide-authorization';
import type { DecisionInputs, Receipt } from '../../authorizations/rules/receipt';
import type { SpendSnapshot } from '../../authorizations/rules/spend-snapshot';
import {
  type CountedPurchase,
  countAuthorization,
  countersNow,
  countersToStored,
  countIncrement,
  giveBack,
  type StoredLimitCounters,
} from '../../cards/rules/limit-counters';
import type { SpendControls } from '../../cards/rules/spend-controls';
import { merchantGroup, type ProgramPolicy } from '../../programs/rules/program-policy';
import { minBigint } from '../../shared/money';
import type { ControlDocument, ControlScope } from './control-scope';

/** Why a stored decision could not be taken again. */
export type NotReplayed =
  /** Its receipt was written before receipts carried every input, or names a market or a policy that is not kept. */
  | 'inputs_missing'
  /** What was answered was not what the rules said: a late answer, a repeated message. */
  | 'answered_otherwise'
  /** The rules of today answer the same inputs differently, with the stored documents: the draft is not the cause. */
  | 'rules_changed';

/** One authorization as it was decided. Amounts are cents. */
export interface StoredDecision {
  readonly authorizationId: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly decidedAt: Date;
  readonly mcc: string;
  readonly merchantId: string;
  readonly requestedAmount: bigint;
  /** What it counted for in limits. */
  readonly countedAmount: bigint;
  readonly outcome: Pick<Receipt['outcome'], 'result' | 'approved' | 'reason'>;
  readonly inputs: DecisionInputs | { readonly missing: NotReplayed };
}

/** A later message changed what an authorization counts for: a reversal, an expiry, an advice. Amounts are cents. */
export interface Correction {
  readonly authorizationId: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly at: Date;
  readonly purchase: CountedPurchase;
  readonly countedBefore: bigint;
  readonly countedAfter: bigint;
}

/** How often, and how many cents in all. */
export interface Tally {
  readonly count: number;
  readonly amount: string;
}

export interface FlipTally {
  readonly approved_to_declined: Tally;
  readonly declined_to_approved: Tally;
}

/** What a backtest has found so far. Stored as JSON; amounts are strings of cents, days are of UTC. */
export interface BacktestResult {
  /** Decisions that were taken again. */
  readonly replayed: number;
  readonly stored: { readonly approved: Tally; readonly declined: Tally };
  readonly draft: { readonly approved: Tally; readonly declined: Tally };
  readonly approved_to_declined: Tally;
  readonly declined_to_approved: Tally;
  /** Approved by both, for another amount; `amount` is the draft's. */
  readonly amount_changed: Tally;
  /** Why the draft declines what was approved. */
  readonly newly_declined_by_reason: Readonly<Record<string, Tally>>;
  /** Why what the draft approves had been declined. */
  readonly newly_approved_by_reason: Readonly<Record<string, Tally>>;
  readonly by_merchant_group: Readonly<Record<string, FlipTally>>;
  readonly by_day: Readonly<Record<string, FlipTally>>;
  /** Ids of the first authorizations of each sort. */
  readonly samples: Readonly<Record<Flip, readonly string[]>>;
  readonly not_replayed: Readonly<Partial<Record<NotReplayed, number>>>;
}

export type Flip = 'approved_to_declined' | 'declined_to_approved' | 'amount_changed';

const SAMPLES_MAX = 50;
const NONE: Tally = { count: 0, amount: '0' };
const NO_FLIPS: FlipTally = { approved_to_declined: NONE, declined_to_approved: NONE };

export const EMPTY_BACKTEST: BacktestResult = {
  replayed: 0,
  stored: { approved: NONE, declined: NONE },
  draft: { approved: NONE, declined: NONE },
  approved_to_declined: NONE,
  declined_to_approved: NONE,
  amount_changed: NONE,
  newly_declined_by_reason: {},
  newly_approved_by_reason: {},
  by_merchant_group: {},
  by_day: {},
  samples: { approved_to_declined: [], declined_to_approved: [], amount_changed: [] },
  not_replayed: {},
};

/** What a scope (account, card or program) has spent along the history that the draft makes. */
export interface SimulatedCounters {
  readonly windows: StoredLimitCounters | null;
  readonly timeZone: string;
}

/** Where a replay stands. The maps hold what the items at hand need, and are changed by them. */
export interface Replay {
  readonly scope: ControlScope;
  readonly document: ControlDocument;
  readonly counters: Map<string, SimulatedCounters>;
  /** Cents that the draft approves where another amount was approved, by authorization. */
  readonly changes: Map<string, bigint>;
  result: BacktestResult;
}

/**
 * Takes one stored decision again with the draft's document in place of the stored one, and counts it along: limits and
 * velocity see the history that the draft would have made, beginning with what had been counted before the first
 * decision of the period. Balances, prices and states are those of the receipt.
 */
export function replayDecision(replay: Replay, stored: StoredDecision): void {
  const { inputs } = stored;
  if ('missing' in inputs) {
    keepAsItWas(replay, stored, inputs.missing);
    return;
  }
  const { snapshot, request, now } = inputs;
  seeFirst(replay, snapshot);
  if (!sameAnswer(decideAuthorization(snapshot, request, now), stored.outcome)) {
    keepAsItWas(replay, stored, 'rules_changed');
    return;
  }
  const drafted = decideAuthorization(snapshotUnderDraft(replay, snapshot, now), request, now);
  if (drafted.counters !== null) {
    const { account, card } = drafted.counters;
    const { timeZone } = snapshot;
    replay.counters.set(stored.accountId, { windows: countersToStored(account), timeZone });
    if (card !== null) replay.counters.set(stored.cardId, { windows: countersToStored(card), timeZone });
    countForProgram(replay, drafted.approvedAmount, now);
  }
  if (drafted.approvedAmount !== BigInt(stored.outcome.approved)) {
    replay.changes.set(stored.authorizationId, drafted.approvedAmount);
  }
  replay.result = tallied(replay.result, stored, drafted);
}

/** What was counted before the period was counted by the stored documents: that cannot be otherwise any more. */
function seeFirst(replay: Replay, { accountId, accountCounters, card, programUsage, timeZone }: SpendSnapshot): void {
  const { counters, scope } = replay;
  if (!counters.has(accountId)) counters.set(accountId, { windows: accountCounters, timeZone });
  if (card !== null && !counters.has(card.id)) counters.set(card.id, { windows: card.counters, timeZone });
  if (scope.kind !== 'program' || counters.has(scope.id)) return;
  const zone = (replay.document as ProgramPolicy).program_limits?.time_zone;
  if (zone !== undefined) counters.set(scope.id, { windows: programUsage, timeZone: zone });
}

function snapshotUnderDraft({ scope, document, counters }: Replay, snapshot: SpendSnapshot, now: Date): SpendSnapshot {
  const { card } = snapshot;
  const usage = scope.kind === 'program' ? counters.get(scope.id) : undefined;
  const counted: SpendSnapshot = {
    ...snapshot,
    accountCounters: counters.get(snapshot.accountId)?.windows ?? null,
    programUsage:
      usage === undefined ? snapshot.programUsage : usage.windows && { ...usage.windows, at: now.getTime() },
    card: card && { ...card, counters: counters.get(card.id)?.windows ?? null },
  };
  switch (scope.kind) {
    case 'program':
      return { ...counted, policy: document as ProgramPolicy };
    case 'account':
      return { ...counted, accountControls: document as SpendControls, accountPendingControls: null };
    case 'card':
      return counted.card === null
        ? counted
        : { ...counted, card: { ...counted.card, controls: document as SpendControls, pendingControls: null } };
  }
}

function sameAnswer(decision: Decision, outcome: StoredDecision['outcome']): boolean {
  return (
    decision.outcome === outcome.result &&
    decision.approvedAmount.toString() === outcome.approved &&
    decision.reason === (outcome.reason ?? null)
  );
}

/** A decision that cannot be taken again stands, and counts as it did. */
function keepAsItWas(replay: Replay, stored: StoredDecision, why: NotReplayed): void {
  const amount = stored.countedAmount;
  if (amount > 0n) {
    for (const scopeId of [stored.accountId, stored.cardId]) {
      const known = replay.counters.get(scopeId);
      if (known === undefined) continue;
      const counters = countAuthorization(countersNow(known.windows, stored.decidedAt, known.timeZone), amount);
      replay.counters.set(scopeId, { ...known, windows: countersToStored(counters) });
    }
    countForProgram(replay, amount, stored.decidedAt);
  }
  const { not_replayed } = replay.result;
  replay.result = { ...replay.result, not_replayed: { ...not_replayed, [why]: (not_replayed[why] ?? 0) + 1 } };
}

function countForProgram({ scope, counters }: Replay, amount: bigint, at: Date): void {
  const known = scope.kind === 'program' ? counters.get(scope.id) : undefined;
  if (known === undefined) return;
  const counted = countAuthorization(countersNow(known.windows, at, known.timeZone), amount);
  counters.set(scope.id, { ...known, windows: countersToStored(counted) });
}

/**
 * Gives back along the simulated history what a reversal or an expiry gave back, as far as the draft had approved it; an
 * advice that raised the amount is counted on top. What the draft declined has nothing to give back.
 */
export function replayCorrection(replay: Replay, correction: Correction): void {
  const { scope, counters, changes } = replay;
  const { authorizationId, accountId, cardId, at, purchase } = correction;
  const drafted = changes.get(authorizationId);
  const counted = (amount: bigint) => (drafted === undefined ? amount : minBigint(drafted, amount));
  const before = counted(correction.countedBefore);
  const after = counted(correction.countedAfter);
  if (before === after) return;
  const given = { amount: before - after, counted: before, wholly: after === 0n };
  for (const scopeId of scope.kind === 'program' ? [accountId, cardId, scope.id] : [accountId, cardId]) {
    const known = counters.get(scopeId);
    if (known === undefined) continue;
    const open = countersNow(known.windows, at, known.timeZone);
    const more = { ...purchase, countedAt: at };
    // The next purchase forgets what no velocity rule asks for.
    const left =
      after > before ? countIncrement(open, more, after - before, () => true) : giveBack(open, purchase, given);
    counters.set(scopeId, { ...known, windows: countersToStored(left) });
  }
}

function plus(tally: Tally | undefined, amount: bigint): Tally {
  const known = tally ?? NONE;
  return { count: known.count + 1, amount: (BigInt(known.amount) + amount).toString() };
}

function tallied(result: BacktestResult, stored: StoredDecision, drafted: Decision): BacktestResult {
  const { requestedAmount: asked, outcome } = stored;
  const was = outcome.result !== 'declined';
  const is = drafted.outcome !== 'declined';
  const approvedBefore = BigInt(outcome.approved);
  const next: BacktestResult = {
    ...result,
    replayed: result.replayed + 1,
    stored: was
      ? { ...result.stored, approved: plus(result.stored.approved, approvedBefore) }
      : { ...result.stored, declined: plus(result.stored.declined, asked) },
    draft: is
      ? { ...result.draft, approved: plus(result.draft.approved, drafted.approvedAmount) }
      : { ...result.draft, declined: plus(result.draft.declined, asked) },
  };
  if (was && is) {
    if (drafted.approvedAmount === approvedBefore) return next;
    return sampled(
      { ...next, amount_changed: plus(next.amount_changed, drafted.approvedAmount) },
      'amount_changed',
      stored,
    );
  }
  if (was === is) return next;
  return flipped(next, was ? 'approved_to_declined' : 'declined_to_approved', stored, drafted);
}

function flipped(
  result: BacktestResult,
  flip: keyof FlipTally,
  stored: StoredDecision,
  drafted: Decision,
): BacktestResult {
  const amount = flip === 'approved_to_declined' ? BigInt(stored.outcome.approved) : drafted.approvedAmount;
  const group = merchantGroup(stored.mcc) ?? 'other';
  const day = stored.decidedAt.toISOString().slice(0, 10);
  const inTable = (table: Readonly<Record<string, FlipTally>>, name: string) => {
    const known = table[name] ?? NO_FLIPS;
    return { ...table, [name]: { ...known, [flip]: plus(known[flip], amount) } };
  };
  const reasons = flip === 'approved_to_declined' ? 'newly_declined_by_reason' : 'newly_approved_by_reason';
  const reason = (flip === 'approved_to_declined' ? drafted.reason : stored.outcome.reason) ?? 'unknown';
  const next = {
    ...result,
    [flip]: plus(result[flip], amount),
    [reasons]: { ...result[reasons], [reason]: plus(result[reasons][reason], amount) },
    by_merchant_group: inTable(result.by_merchant_group, group),
    by_day: inTable(result.by_day, day),
  };
  return sampled(next, flip, stored);
}

function sampled(result: BacktestResult, flip: Flip, { authorizationId }: StoredDecision): BacktestResult {
  const known = result.samples[flip];
  if (known.length >= SAMPLES_MAX) return result;
  return { ...result, samples: { ...result.samples, [flip]: [...known, authorizationId] } };
}
