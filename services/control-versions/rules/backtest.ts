import { type Decision, decideAuthorization } from '../../authorizations/rules/decide-authorization';
import type { DecisionInputs, Receipt } from '../../authorizations/rules/receipt';
import type { SpendSnapshot } from '../../authorizations/rules/spend-snapshot';
import { AMOUNT_OF, COUNT_OF } from '../../cards/rules/evaluate-controls';
import {
  type CountedPurchase,
  countAuthorization,
  countersNow,
  countersToStored,
  countIncrement,
  countPurchase,
  giveBack,
  type LimitCounters,
  type StoredLimitCounters,
  type WindowCount,
} from '../../cards/rules/limit-counters';
import { WINDOW_KINDS, type WindowKind } from '../../cards/rules/limit-windows';
import type { SpendControls } from '../../cards/rules/spend-controls';
import { merchantGroup, type ProgramPolicy } from '../../programs/rules/program-policy';
import { maxBigint, minBigint } from '../../shared/money';
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
  /** What it was approved for when it was decided. */
  readonly approved: bigint;
  readonly countedBefore: bigint;
  readonly countedAfter: bigint;
  /** It had ended, and is open again or was cleared all the same: what is more of it counts as a purchase. */
  readonly isOneMore: boolean;
  /** When it was opened again the last time before, and what it counted for then; null: it has not ended since it was decided. */
  readonly opened: { readonly at: Date; readonly counted: bigint } | null;
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

/** What a scope (account, card or program) has spent, as far as the history tells, which the receipts correct. */
export interface SimulatedCounters {
  /** Along the history that the draft makes. */
  readonly drafted: StoredLimitCounters | null;
  /** Along the one that happened. */
  readonly happened: StoredLimitCounters | null;
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
 * velocity see what the receipt says had been counted, and the difference that the draft has made until then. Balances, prices and
 * states are those of the receipt.
 */
export function replayDecision(replay: Replay, stored: StoredDecision): void {
  const { inputs } = stored;
  if ('missing' in inputs) {
    keepAsItWas(replay, stored, inputs.missing);
    return;
  }
  const { snapshot, request, now } = inputs;
  const { accountId, card } = snapshot;
  readCounters(replay, snapshot, now);
  const happened = decideAuthorization(snapshot, request, now);
  if (!sameAnswer(happened, stored.outcome)) {
    keepAsItWas(replay, stored, 'rules_changed');
    return;
  }
  const drafted = decideAuthorization(snapshotUnderDraft(replay, snapshot, now), request, now);
  count(replay, accountId, now, {
    drafted: (known) => drafted.counters?.account ?? known,
    happened: (known) => happened.counters?.account ?? known,
  });
  if (card !== null) {
    count(replay, card.id, now, {
      drafted: (known) => drafted.counters?.card ?? known,
      happened: (known) => happened.counters?.card ?? known,
    });
  }
  const purchaseOf = (decision: Decision) => (known: LimitCounters) =>
    decision.counters === null ? known : countAuthorization(known, decision.approvedAmount);
  countForProgram(replay, now, { drafted: purchaseOf(drafted), happened: purchaseOf(happened) });
  if (drafted.approvedAmount !== BigInt(stored.outcome.approved)) {
    replay.changes.set(stored.authorizationId, drafted.approvedAmount);
  }
  if (isTallied(replay, stored)) replay.result = tallied(replay.result, stored, drafted);
}

/** What the other cards of an account spend is counted along with a draft for one of them, but is not about it. */
function isTallied({ scope }: Replay, { cardId }: StoredDecision): boolean {
  return scope.kind !== 'card' || scope.id === cardId;
}

/** Changes what a scope has spent along both histories, where anything is known of it. */
function count(
  { counters }: Replay,
  scopeId: string,
  at: Date,
  change: {
    readonly drafted: (known: LimitCounters) => LimitCounters;
    readonly happened: (known: LimitCounters) => LimitCounters;
  },
): void {
  const known = counters.get(scopeId);
  if (known === undefined) return;
  const { timeZone } = known;
  counters.set(scopeId, {
    drafted: countersToStored(change.drafted(countersNow(known.drafted, at, timeZone))),
    happened: countersToStored(change.happened(countersNow(known.happened, at, timeZone))),
    timeZone,
  });
}

function countForProgram(replay: Replay, at: Date, change: Parameters<typeof count>[3]): void {
  if (replay.scope.kind === 'program') count(replay, replay.scope.id, at, change);
}

/**
 * Takes what the receipt says had been counted for what happened, whatever the history told of it. What was counted before the
 * period was counted by the stored documents: that cannot be otherwise any more.
 */
function readCounters(replay: Replay, snapshot: SpendSnapshot, now: Date): void {
  const { counters, scope } = replay;
  const { accountId, accountCounters, card, programUsage, timeZone } = snapshot;
  const read = (scopeId: string, happened: StoredLimitCounters | null) => {
    const known = counters.get(scopeId);
    const drafted = known === undefined ? happened : underDraft(happened, known, now, timeZone);
    counters.set(scopeId, { drafted, happened, timeZone });
  };
  read(accountId, accountCounters);
  if (card !== null) read(card.id, card.counters);
  if (scope.kind !== 'program' || counters.has(scope.id)) return;
  const zone = (replay.document as ProgramPolicy).program_limits?.time_zone;
  if (zone !== undefined) counters.set(scope.id, { drafted: programUsage, happened: programUsage, timeZone: zone });
}

/** What had been counted, and the difference that the draft has made. */
function underDraft(
  read: StoredLimitCounters | null,
  known: Pick<SimulatedCounters, 'drafted' | 'happened'>,
  now: Date,
  timeZone: string,
): StoredLimitCounters {
  const { drafted, happened } = known;
  const windows = windowsUnderDraft(read, known, now, timeZone);
  return {
    ...countersToStored({ ...windows, recent: [], lock: null, odometer: null }),
    recent: recentUnderDraft(read?.recent ?? [], drafted?.recent ?? [], happened?.recent ?? []),
    lock: isSame(drafted?.lock, happened?.lock) ? read?.lock : drafted?.lock,
    odometer: isSame(drafted?.odometer, happened?.odometer) ? read?.odometer : drafted?.odometer,
  };
}

function windowsUnderDraft(
  stored: StoredLimitCounters | null,
  known: Pick<SimulatedCounters, 'drafted' | 'happened'>,
  now: Date,
  timeZone: string,
): LimitCounters {
  const read = countersNow(stored, now, timeZone);
  const drafted = countersNow(known.drafted, now, timeZone);
  const happened = countersNow(known.happened, now, timeZone);
  const windows = WINDOW_KINDS.map((kind) => {
    const { amount, count } = read[kind];
    const more = {
      amount: drafted[kind].amount - happened[kind].amount,
      count: drafted[kind].count - happened[kind].count,
    };
    return [
      kind,
      { ...read[kind], amount: maxBigint(amount + more.amount, 0n), count: Math.max(count + more.count, 0) },
    ];
  });
  return { ...read, ...(Object.fromEntries(windows) as Record<WindowKind, WindowCount>) };
}

type StoredRecent = NonNullable<StoredLimitCounters['recent']>;

/** What velocity rules remember along the draft's history: what only the receipt knows of happened in both. */
function recentUnderDraft(read: StoredRecent, drafted: StoredRecent, happened: StoredRecent): StoredRecent {
  if (isSame(drafted, happened)) return read;
  // By the purchase: what was counted of it later, the history has at the time of its event.
  const nameOf = ([at, _amount, mcc, begunAt]: StoredRecent[number]) => `${begunAt ?? at} ${mcc}`;
  const known = new Set([...drafted, ...happened].map(nameOf));
  const unknown = read.filter((each) => !known.has(nameOf(each)));
  return [...drafted, ...unknown].sort(([one], [other]) => one - other);
}

/** Of what is stored as JSON. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function snapshotUnderDraft(replay: Replay, snapshot: SpendSnapshot, now: Date): SpendSnapshot {
  const { scope, document, counters } = replay;
  const { card } = snapshot;
  const counted: SpendSnapshot = {
    ...snapshot,
    accountCounters: counters.get(snapshot.accountId)?.drafted ?? null,
    programUsage: usageUnderDraft(replay, snapshot, now),
    card: card && { ...card, counters: counters.get(card.id)?.drafted ?? null },
  };
  switch (scope.kind) {
    case 'program':
      return { ...counted, policy: document as ProgramPolicy };
    case 'account':
      return { ...counted, accountControls: document as SpendControls, accountPendingControls: null };
    case 'card':
      return counted.card?.id === scope.id
        ? { ...counted, card: { ...counted.card, controls: document as SpendControls, pendingControls: null } }
        : counted;
  }
}

/**
 * What the program is taken to have spent. Where the stored policy capped the same, that is what was summed, a little after it was
 * spent, and the difference that the draft has made; else all that was counted since the period began.
 */
function usageUnderDraft({ scope, counters }: Replay, snapshot: SpendSnapshot, now: Date): StoredLimitCounters | null {
  const known = scope.kind === 'program' ? counters.get(scope.id) : undefined;
  if (known === undefined) return snapshot.programUsage;
  const { timeZone } = known;
  const { program_limits: caps } = snapshot.policy;
  const summed = WINDOW_KINDS.filter(
    (kind) =>
      caps?.time_zone === timeZone && (caps[AMOUNT_OF[kind]] !== undefined || caps[COUNT_OF[kind]] !== undefined),
  );
  const drafted = countersNow(known.drafted, now, timeZone);
  const different = windowsUnderDraft(snapshot.programUsage, known, now, timeZone);
  const windows = Object.fromEntries(
    WINDOW_KINDS.map((kind) => [kind, summed.includes(kind) ? different[kind] : drafted[kind]]),
  ) as Record<WindowKind, WindowCount>;
  const at = summed.length === 0 ? undefined : snapshot.programUsage?.at;
  return {
    ...countersToStored({ ...windows, recent: [], lock: null, odometer: null }),
    at: at ?? now.getTime(),
  };
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
  const { accountId, cardId, decidedAt: at, mcc, merchantId, countedAmount: amount } = stored;
  if (amount > 0n) {
    const purchase = { at, mcc, merchantId };
    for (const scopeId of [accountId, cardId]) {
      count(replay, scopeId, at, {
        drafted: (known) => countAsItWas(known, purchase, amount, rememberedByDraft(replay, stored, scopeId)),
        happened: (known) => countAsItWas(known, purchase, amount, NOT_SAID),
      });
    }
    const counted = (known: LimitCounters) => countAuthorization(known, amount);
    countForProgram(replay, at, { drafted: counted, happened: counted });
  }
  if (!isTallied(replay, stored)) return;
  const { not_replayed } = replay.result;
  replay.result = { ...replay.result, not_replayed: { ...not_replayed, [why]: (not_replayed[why] ?? 0) + 1 } };
}

/** Whether controls ask for something to be remembered of a purchase. */
interface AskedFor {
  readonly velocity: boolean;
  readonly merchantLock: boolean;
}

const NOT_SAID: AskedFor = { velocity: false, merchantLock: false };

function rememberedByDraft(
  { scope, document }: Replay,
  { cardId }: Pick<StoredDecision, 'cardId'>,
  scopeId: string,
): AskedFor {
  if (scope.kind === 'card' && scope.id !== cardId) return NOT_SAID;
  const controls = scope.kind === 'program' ? (document as ProgramPolicy).controls : (document as SpendControls);
  const per = scopeId === cardId ? 'card' : 'account';
  return {
    velocity: controls?.velocity?.some((rule) => rule.per === per) ?? false,
    merchantLock: per === 'card' && controls?.merchant_lock !== undefined,
  };
}

/**
 * Counts a purchase of which not all is known that it was decided on: what is remembered of others, or asked for, is remembered of
 * it too. The next that is known forgets what no rule asks for.
 */
function countAsItWas(
  counters: LimitCounters,
  purchase: CountedPurchase,
  amount: bigint,
  asked: AskedFor,
): LimitCounters {
  return countPurchase(counters, purchase, amount, {
    velocity: asked.velocity || counters.recent.length > 0 ? () => true : null,
    merchantLock: asked.merchantLock || counters.lock !== null,
    odometer: null,
  });
}

/**
 * Gives back along both histories what a reversal or an expiry gave back, as far as it was approved there; an advice that raised
 * the amount is counted on top, and what opens an ended purchase again, or is cleared of it, as one more. What the draft declined has nothing to give back.
 */
export function replayCorrection(replay: Replay, correction: Correction): void {
  const { authorizationId, accountId, cardId, at } = correction;
  const approved = replay.changes.get(authorizationId);
  const drafted = (amount: bigint) => (approved === undefined ? amount : countedByDraft(correction, approved, amount));
  for (const scopeId of [accountId, cardId, ...(replay.scope.kind === 'program' ? [replay.scope.id] : [])]) {
    const asked =
      scopeId === replay.scope.id && replay.scope.kind === 'program'
        ? NOT_SAID
        : rememberedByDraft(replay, correction, scopeId);
    count(replay, scopeId, at, {
      drafted: (known) => corrected(known, correction, drafted, asked),
      happened: (known) => corrected(known, correction, asItHappened, NOT_SAID),
    });
  }
}

/** What a purchase that the draft approves otherwise counts for, where what happened to it leaves it at `amount`. */
function countedByDraft({ approved }: Correction, drafted: bigint, amount: bigint): bigint {
  if (drafted <= approved) return minBigint(drafted, amount);
  // Declined as it happened: what was never heard of is not reversed.
  if (approved === 0n) return maxBigint(drafted, amount);
  return amount === 0n ? 0n : amount + drafted - approved;
}

function asItHappened(amount: bigint): bigint {
  return amount;
}

/** `counts` is what an amount that the purchase counted for comes to in this history. */
function corrected(
  known: LimitCounters,
  { purchase, at, countedBefore, countedAfter, isOneMore, opened }: Correction,
  counts: (amount: bigint) => bigint,
  asked: AskedFor,
): LimitCounters {
  const [before, after] = [counts(countedBefore), counts(countedAfter)];
  if (before === after) return known;
  if (after < before) {
    // Of what was opened again nothing is left: it was one more since, and no longer is.
    const wholly = after === counts(opened?.counted ?? 0n);
    const countedSince = opened?.at ?? purchase.at;
    return giveBack(known, purchase, { amount: before - after, counted: before, wholly, countedSince });
  }
  if (isOneMore) return countAsItWas(known, { ...purchase, countedAt: at }, after - before, asked);
  return countIncrement(known, { ...purchase, countedAt: at }, after - before, () => true);
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
