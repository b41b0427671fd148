import type { Pool, PoolClient } from 'pg';
import { namedOnPool } from '../database/named-query';
import { newId } from '../database/new-id';
import { positionOf } from '../ledger/account-refs';
import { askUntil, type PartnerDesk } from '../partner-decisions/ask-partner';
import type { PartnerVerdict } from '../partner-decisions/rules/partner-verdict';
import type { ProgramLimits, ProgramPolicy } from '../programs/rules/program-policy';
import { answersCaps, type StoredProgramUsage, usageWith } from '../programs/rules/program-usage';
import { sumProgramUsage } from '../programs/sum-program-usage';
import type { AuthorizationReply, AuthorizationRequest } from '../providers/processor/port';
import { LeafWriter, type ReceiptSealer, receiptIn } from '../receipts/seal-receipts';
import { sha256Hex } from '../receipts/sha256';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { AccountCache } from './account-cache';
import { AnsweredMessages, type AnsweredPurchase } from './answered-messages';
import { ApprovedUnderCaps, type CappedApproval } from './approved-under-caps';
import {
  type CommitTypes,
  commitDecisions,
  ensurePositionAccounts,
  loadCommitTypes,
  lockAccounts,
  markAnswered,
} from './authorization-commit.repository';
import { BatchQueue, type BatchQueueLimits } from './batch-queue';
import { type AuthorizationDraft, draftAuthorization } from './draft-authorization';
import { isAboutAmount } from './rules/amendment';
import { type Decision, decideAuthorization, type SpendRequest } from './rules/decide-authorization';
import type { DeclineReason } from './rules/decline-reason';
import { marketRecord, type ReceiptSubject, writeReceipt } from './rules/receipt';
import type { CardSnapshot, SpendSnapshot } from './rules/spend-snapshot';
import { toSpendRequest } from './spend-request';
import {
  type AccountState,
  type BatchSnapshot,
  loadBatchSnapshots,
  loadFirstMessage,
  loadMarket,
  type Market,
  snapshotOf,
} from './spend-snapshot.repository';
import { replyOfStored } from './stored-answer';
import { UnansweredBatches } from './unanswered-batches';

/** What the outside is told of each batch and surprise, for metrics and alerts. */
export interface AuthorizerObserver {
  decided(reply: AuthorizationReply, milliseconds: number): void;
  batchRan(size: number, milliseconds: number, conflicts: number): void;
  /** The same message id came with other content: somebody must look. */
  conflicting(request: AuthorizationRequest): void;
  failed(error: unknown): void;
}

/** A purchase that is known already, named by a message that is not. */
export interface KnownAuthorization {
  readonly organizationId: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly authorizationId: string;
}

export interface AuthorizerDependencies {
  /** Pool of the role `escudo_authorizer`. */
  readonly pool: Pool;
  readonly clock: Clock;
  readonly limits: BatchQueueLimits;
  /** Accounts kept in memory between purchases; 0 reads every account anew. */
  readonly accountsKeptMax: number;
  /** Waiting beyond `respondBy` for a commit that is under way costs the vendor nothing: it has its own margin on top. */
  readonly graceMs: number;
  readonly sealer: ReceiptSealer;
  /** Decides what changes a purchase that is known: an increment, an advice asked for. Apart from the batches. */
  readonly amend: (request: AuthorizationRequest, known: KnownAuthorization) => Promise<AuthorizationReply>;
  /** Asks the fintech, where a program wants to be asked; null: none is. */
  readonly partner: PartnerDesk | null;
  readonly observer: AuthorizerObserver;
}

export interface Authorizer {
  /**
   * Decides a request and commits the decision before it answers. Never rejects: what cannot be decided is declined.
   * A repeated message gets the answer that the first one got, whether it is waiting, in flight or stored.
   * `authorizationId` is the id that a new authorization gets, where the caller has fixed it already.
   */
  authorize(request: AuthorizationRequest, authorizationId?: string): Promise<AuthorizationReply>;
  /** The answer was handed to the vendor. What is never heard of here is looked into, and its hold freed. */
  answered(request: AuthorizationRequest): void;
  /** Requests waiting or in flight. */
  readonly pending: number;
  /** Notes what has been answered. Call it last. */
  close(): Promise<void>;
}

/** A request on its way, and the promise that its repetitions share. */
interface Job {
  readonly key: string;
  /** The card as the memory of accounts knows it: tokens are the vendor's own. */
  readonly card: string;
  readonly request: AuthorizationRequest;
  readonly authorizationId: string;
  readonly promise: Promise<AuthorizationReply>;
  readonly settle: (reply: AuthorizationReply) => void;
  conflicts: number;
  /** What its program has spent could not be summed. */
  sumFailed: boolean;
  /** Another purchase that began with a message of this id. */
  readonly reuses: AnsweredPurchase | null;
  /** What the fintech said, once it was asked. */
  partner: PartnerVerdict | null;
  /** Known once a snapshot has been read. */
  account: { readonly organizationId: string; readonly accountId: string } | null;
  answered: boolean;
  /** By the process's own clock, milliseconds: after it nobody waits for the answer any more. */
  readonly giveUpAt: number;
}

/** Conflicts of versions after which the accounts are locked before they are read. */
const CONFLICTS_BEFORE_LOCKING = 2;
const CONFLICTS_MAX = 20;
/** Prices and reserves are read again after this: far below any feed's heartbeat. */
const MARKET_KEPT_MS = 100;
/** The latest first messages, remembered by id. */
const MESSAGES_KEPT_MIN = 10_000;
const ANSWERED_NOTED_EVERY_MS = 100;
/** One look at all that wait is cheaper than a timer for each. */
const LATE_LOOKED_FOR_EVERY_MS = 25;

function declinedReply(reason: DeclineReason, authorizationId: string | null = null): AuthorizationReply {
  return { outcome: 'declined', approvedAmount: 0n, declineReason: reason, balance: null, authorizationId };
}

/** Whether what a program has spent can change the answer: not where nothing is asked for, money comes back or the network tells. */
function asksCaps({ kind, amount }: AuthorizationRequest): boolean {
  if (kind === 'balance_inquiry') return true;
  return kind !== 'refund_authorization' && kind !== 'advice' && amount > 0n;
}

function subjectOf({ authorizationId, request }: Job): ReceiptSubject {
  return { authorizationId, contentHash: request.contentHash };
}

/** A decided job with the rows that its commit writes. */
interface Draft extends AuthorizationDraft {
  readonly job: Job;
  readonly snapshot: SpendSnapshot;
  readonly spend: SpendRequest;
  readonly decision: Decision;
  /** Where its program has caps. */
  readonly capped: CappedApproval | null;
}

interface Answer {
  readonly job: Job;
  readonly reply: AuthorizationReply;
}

/** What came of running a batch once. */
interface Attempt {
  readonly answers: readonly Answer[];
  /** Met a newer version of their account, or a message that they did not know. */
  readonly conflicted: readonly Job[];
  /** Approved with a hold. */
  readonly held: readonly Draft[];
  readonly batchId: string | null;
}

interface CurrentMarket {
  readonly market: Market;
  readonly text: string;
  readonly hash: string;
  readonly readAt: number;
}

/** What a job is decided on: read now, or kept from the commit before. */
interface Basis {
  readonly job: Job;
  readonly state: AccountState;
  readonly card: CardSnapshot;
  readonly endedBefore: boolean;
}

/**
 * The authorizer of decision 0001: requests wait in a bounded queue, go out in batches of one snapshot statement (none for
 * accounts that are still in memory), a pure decision each and one commit statement, and are answered once committed. A
 * version conflict is decided again on what is read anew, from the third time on with the accounts locked. A failed batch
 * is run again one by one, so that a bad item fails alone.
 */
export function createAuthorizer(deps: AuthorizerDependencies): Authorizer {
  const { pool, clock, observer } = deps;
  const jobs = new Map<string, Job>();
  const accounts = new AccountCache(deps.accountsKeptMax);
  const positions = new Set<string>();
  const unanswered = new UnansweredBatches();
  const messages = new AnsweredMessages(MESSAGES_KEPT_MIN);
  const leaves = new LeafWriter();
  const approvedUnderCaps = new ApprovedUnderCaps();
  /** Sums under way, by program, one after the other: they must not take all of the pool's connections. */
  const sums = new Map<string, Promise<void>>();
  let lastSum: Promise<unknown> = Promise.resolve();
  let commitTypes: CommitTypes | null = null;
  let current: CurrentMarket | null = null;
  let noting: NodeJS.Timeout | null = null;
  let watching: NodeJS.Timeout | null = null;

  async function marketNow(client: Pool | PoolClient): Promise<CurrentMarket> {
    if (current && performance.now() - current.readAt < MARKET_KEPT_MS) return current;
    const readAt = performance.now();
    const market = await loadMarket(client);
    const text = marketRecord(market);
    const fresh: CurrentMarket = { market, text, hash: sha256Hex(text), readAt };
    current = fresh;
    return fresh;
  }

  /** What a program with caps has spent, as far as this process knows; null: it was not summed for each of them. */
  function usageKnown(
    caps: ProgramLimits,
    programId: string,
    { usage }: Pick<Market, 'usage'>,
    now: Date,
  ): StoredProgramUsage | null {
    const summed = usage[programId];
    if (summed === undefined || !answersCaps(summed, caps)) return null;
    return usageWith(summed, approvedUnderCaps.since(programId, summed.at ?? 0, now), now, caps);
  }

  /** Sums what a program has spent: nobody has yet, or not for all of its caps. Whoever asks meanwhile waits for the same sum. */
  function sumUsage(program: { readonly organizationId: string; readonly programId: string }): Promise<void> {
    const underWay = sums.get(program.programId);
    if (underWay) return underWay;
    const sum = lastSum
      .then(() => sumProgramUsage({ query: namedOnPool(pool), clock }, program))
      .finally(() => {
        sums.delete(program.programId);
        current = null;
      });
    sums.set(program.programId, sum);
    lastSum = sum.catch(() => undefined);
    return sum;
  }

  /** Apart from the batches: others do not wait for it. The account is read anew, because the caps may be newer than what is kept of it. */
  function decideOnceSummed(job: Job, { account }: AccountState): void {
    accounts.forget(job.card);
    answerElsewhere(job, async () => {
      await sumUsage(account).catch((error: unknown) => {
        observer.failed(error);
        // It is read anew: what is known already may be answered all the same.
        job.sumFailed = true;
        job.conflicts += 1;
      });
      if (!job.answered && !queue.push(job)) job.settle(declinedReply('internal_error'));
    });
  }

  async function ensurePositions(client: Pool | PoolClient, drafts: readonly Draft[]): Promise<void> {
    const missing = new Map<string, { organizationId: string; id: string; key: string; asset: string }>();
    for (const { item, legs } of drafts) {
      for (const leg of legs) {
        if (positions.has(leg.credit_account_id)) continue;
        const { key, asset } = positionOf(leg.asset);
        missing.set(leg.credit_account_id, {
          organizationId: item.organization_id,
          id: leg.credit_account_id,
          key,
          asset,
        });
      }
    }
    if (missing.size === 0) return;
    await ensurePositionAccounts(client, [...missing.values()]);
    for (const id of missing.keys()) positions.add(id);
  }

  /** Before somebody else is asked, the message must be known not to be a repetition: such a job is read anew. */
  function mayAskPartner(job: Job, policy: ProgramPolicy): boolean {
    return deps.partner !== null && job.partner === null && policy.partner_decision?.enabled === true;
  }

  /** What a message of this id was answered before, where that was about another purchase of the same organization. */
  async function withReusedMessage(client: Pool | PoolClient, job: Job, found: BatchSnapshot): Promise<BatchSnapshot> {
    if (job.reuses === null || found.kind !== 'found' || found.knownMessage !== null) return found;
    if (job.reuses.organizationId !== found.state.account.organizationId) return found;
    return { ...found, knownMessage: await loadFirstMessage(client, job.reuses) };
  }

  /**
   * Accounts that are in memory, and those that have to be read. A job that met a conflict is always read, and so is one
   * whose message id began another purchase.
   */
  async function loadBasis(
    client: Pool | PoolClient,
    batch: readonly Job[],
  ): Promise<{ readonly bases: readonly Basis[]; readonly read: ReadonlyMap<Job, BatchSnapshot> }> {
    const bases: Basis[] = [];
    const unread: Job[] = [];
    for (const job of batch) {
      const cached = job.conflicts === 0 && job.reuses === null ? accounts.find(job.card) : null;
      if (cached && !mayAskPartner(job, cached.state.account.policy))
        bases.push({ job, state: cached.state, card: cached.card, endedBefore: false });
      else unread.push(job);
    }
    const read = new Map<Job, BatchSnapshot>();
    if (unread.length === 0) return { bases, read };
    const snapshots = await loadBatchSnapshots(
      client,
      unread.map(({ request }) => ({
        vendor: request.vendor,
        cardToken: request.cardToken,
        messageId: request.messageId,
        processorAuthorizationId: request.processorAuthorizationId,
      })),
    );
    for (const [index, job] of unread.entries()) {
      const snapshot = snapshots[index];
      if (!snapshot) continue;
      const found = await withReusedMessage(client, job, snapshot);
      read.set(job, found);
      if (found.kind !== 'found') continue;
      accounts.keep(job.card, found.state, found.card);
      if (found.knownMessage === null && found.knownAuthorizationId === null) {
        bases.push({ job, state: found.state, card: found.card, endedBefore: found.endedBefore });
      }
    }
    return { bases, read };
  }

  /**
   * The answer to what needs no decision here: unknown cards and repetitions. Null for what changes a purchase that is
   * known, and for repetitions of what was approved so, whose answers may still be awaited: it leaves the batches and is
   * answered for itself.
   */
  function answerWithoutDecision(job: Job, found: BatchSnapshot | undefined): AuthorizationReply | null {
    if (found === undefined || found.kind === 'unknown_card') return declinedReply('unknown_card');
    const { state, card, knownMessage, knownAuthorizationId } = found;
    if (knownMessage && knownMessage.contentHash !== job.request.contentHash) {
      observer.conflicting(job.request);
      return declinedReply('duplicate_conflict');
    }
    if (knownMessage) {
      const { answer, apart } = knownMessage;
      const holdsMore = apart && knownAuthorizationId !== null && answer.outcome !== 'declined';
      if (!holdsMore) return replyOfStored(answer);
    }
    const authorizationId = required(knownAuthorizationId, 'the purchase that is known');
    const { organizationId, accountId } = state.account;
    const known = { organizationId, accountId, cardId: card.id, authorizationId };
    // What was answered before was counted then, and asks no cap again.
    const answering = knownMessage === null ? amend : deps.amend;
    answerElsewhere(job, async () => job.settle(await answering(job.request, known, state)));
    return null;
  }

  /** What this process approved since the last sum is not held against it: some of it may be this very purchase, given back. */
  async function amend(
    request: AuthorizationRequest,
    known: KnownAuthorization,
    { account: { organizationId, programId, policy } }: AccountState,
  ): Promise<AuthorizationReply> {
    const { program_limits: caps } = policy;
    if (caps === undefined) return deps.amend(request, known);
    if (asksCaps(request) && !answersCaps((await marketNow(pool)).market.usage[programId], caps)) {
      // Without a sum the caps refuse; a lower total is answered all the same.
      await sumUsage({ organizationId, programId }).catch((error: unknown) => observer.failed(error));
    }
    const reply = await deps.amend(request, known);
    if (reply.outcome !== 'declined' && request.amountBasis === 'delta' && isAboutAmount(request.kind)) {
      const more = approvedUnderCaps.begun({ programId, amount: reply.approvedAmount, count: 0 });
      approvedUnderCaps.ended(more, clock.now().getTime());
    }
    return reply;
  }

  function answerElsewhere(job: Job, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      observer.failed(error);
      job.settle(declinedReply('internal_error'));
    });
  }

  function wantsPartner(job: Job, snapshot: SpendSnapshot, decision: Decision): boolean {
    return mayAskPartner(job, snapshot.policy) && decision.outcome !== 'declined' && decision.legs.length > 0;
  }

  async function askPartner(job: Job, snapshot: SpendSnapshot, decision: Decision): Promise<void> {
    const { partner_decision: policy } = snapshot.policy;
    if (deps.partner === null || policy === undefined) return;
    job.partner = await deps.partner.ask({
      organizationId: snapshot.organizationId,
      programId: snapshot.programId,
      accountId: snapshot.accountId,
      cardholderId: snapshot.cardholderId,
      cardId: snapshot.card?.id ?? '',
      authorizationId: job.authorizationId,
      request: job.request,
      approvableAmount: decision.approvedAmount,
      largestAmount: decision.largestAmount,
      policy,
      deadline: askUntil(job.request.respondBy),
    });
    if (!job.answered && !queue.push(job)) job.settle(declinedReply('internal_error'));
  }

  /**
   * Reads, decides and commits, in a transaction by `commitAll`. Nobody is answered here: in a transaction, the answers would be ahead of
   * its durability.
   */
  async function attempt(
    client: Pool | PoolClient,
    batch: readonly Job[],
    commitAll?: () => Promise<unknown>,
  ): Promise<Attempt> {
    const drafts: Draft[] = [];
    try {
      const attempted = await decideAndCommit(client, batch, drafts);
      await commitAll?.();
      // Not earlier: a sum that begins before all of it is committed does not have it.
      const committedAt = clock.now().getTime();
      for (const { capped } of attempted.held) if (capped) approvedUnderCaps.ended(capped, committedAt);
      return attempted;
    } finally {
      for (const { capped } of drafts) if (capped) approvedUnderCaps.ended(capped, null);
    }
  }

  async function decideAndCommit(client: Pool | PoolClient, batch: readonly Job[], drafts: Draft[]): Promise<Attempt> {
    const decidedOn = await marketNow(client);
    const { market } = decidedOn;
    const { bases, read } = await loadBasis(client, batch);
    const now = clock.now();
    const answers: Answer[] = [];
    const conflicted: Job[] = [];
    const drafted = new Set<string>();
    if (bases.length < batch.length) {
      const decidable = new Set(bases.map(({ job }) => job));
      for (const job of batch) {
        if (decidable.has(job)) continue;
        const reply = answerWithoutDecision(job, read.get(job));
        if (reply !== null) answers.push({ job, reply });
      }
    }
    for (const { job, state, card, endedBefore } of bases) {
      const { organizationId, accountId, programId } = state.account;
      const { program_limits: caps } = state.account.policy;
      job.account = { organizationId, accountId };
      if (drafted.has(accountId)) {
        // Two cards of one account before it was known that they are: the second cannot be decided on the same snapshot.
        conflicted.push(job);
        continue;
      }
      const usage = caps && usageKnown(caps, programId, market, now);
      if (usage === null && asksCaps(job.request)) {
        if (job.sumFailed) answers.push({ job, reply: declinedReply('internal_error') });
        else decideOnceSummed(job, state);
        continue;
      }
      const snapshot = snapshotOf(state, card, market, usage ?? undefined);
      const spend = toSpendRequest(job.request, endedBefore, job.partner);
      const decision = decideAuthorization(snapshot, spend, now);
      if (wantsPartner(job, snapshot, decision)) {
        answerElsewhere(job, () => askPartner(job, snapshot, decision));
        continue;
      }
      drafted.add(accountId);
      const draft = draftAuthorization({
        ordinal: drafts.length,
        request: job.request,
        snapshot,
        cardId: card.id,
        programVersion: state.programVersion,
        endedBefore,
        decision,
        authorizationId: job.authorizationId,
        now,
      });
      const { reply, item, legs } = draft;
      const holds = caps !== undefined && decision.legs.length > 0;
      const capped = holds ? approvedUnderCaps.begun({ programId, amount: decision.approvedAmount, count: 1 }) : null;
      drafts.push({ reply, item, legs, job, snapshot, spend, decision, capped });
    }
    if (drafts.length === 0) return { answers, conflicted, held: [], batchId: null };
    await ensurePositions(client, drafts);
    commitTypes ??= await loadCommitTypes(client);
    return commit(client, commitTypes, drafts, decidedOn, answers, conflicted);
  }

  async function commit(
    client: Pool | PoolClient,
    types: CommitTypes,
    drafts: readonly Draft[],
    { text: market, hash: marketHash }: CurrentMarket,
    answers: Answer[],
    conflicted: Job[],
  ): Promise<Attempt> {
    // Written, sealed and handed over without a pause between: the next batch writes into the same memory.
    const leafInputs = leaves.write(drafts, ({ job, item, snapshot, spend, decision }, out) => {
      const subject = subjectOf(job);
      writeReceipt(out, { subject, snapshot, request: spend, decision, now: item.decided_at, marketHash });
    });
    const respondBy = new Date(Math.max(...drafts.map(({ job }) => job.request.respondBy.getTime())));
    const receipts = leafInputs.map(receiptIn);
    const batch = { id: newId(), receipts, market, ...deps.sealer.seal(leafInputs, market), respondBy };
    const items = drafts.map(({ item }) => item);
    const legs = drafts.flatMap((draft) => draft.legs);
    const committed = await commitDecisions(client, types, items, legs, batch);
    const lateByOrdinal = new Map(committed.map((each) => [each.ordinal, each.late]));
    const held: Draft[] = [];
    for (const draft of drafts) {
      const { job, reply, item } = draft;
      const late = lateByOrdinal.get(item.ordinal);
      if (late === undefined) {
        accounts.forget(job.card);
        conflicted.push(job);
        continue;
      }
      accounts.apply(job.card, late ? null : draft);
      messages.keep(job.key, {
        organizationId: item.organization_id,
        authorizationId: item.authorization_id,
        processorAuthorizationId: item.processor_authorization_id,
      });
      answers.push({ job, reply: late ? declinedReply('late', reply.authorizationId) : reply });
      if (!late && item.holds) held.push(draft);
    }
    return { answers, conflicted, held, batchId: batch.id };
  }

  async function attemptLocked(batch: readonly Job[]): Promise<Attempt> {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await lockAccounts(
        client,
        batch.flatMap((job) => (job.account ? [job.account] : [])),
      );
      const result = await attempt(client, batch, () => client.query('COMMIT'));
      client.release();
      return result;
    } catch (error) {
      // What was decided in memory may not have been committed, nor the accounts that it wrote to.
      for (const job of batch) accounts.forget(job.card);
      positions.clear();
      client.release(true);
      throw error;
    }
  }

  /** Runs one half of a batch and answers what was decided; returns what met a conflict. */
  async function runHalf(
    batch: readonly Job[],
    run: (batch: readonly Job[]) => Promise<Attempt>,
  ): Promise<readonly Job[]> {
    if (batch.length === 0) return [];
    const { answers, conflicted, held, batchId } = await run(batch);
    // A caller that was told `late` while the commit was under way has heard no approval. Its batch stays unanswered, so
    // that the processor is asked what became of the purchase: a repetition may have been answered elsewhere meanwhile.
    if (batchId !== null && held.length > 0 && !held.some(({ job }) => job.answered)) {
      unanswered.expect(
        batchId,
        held.map(({ job }) => job.key),
      );
    }
    for (const { job, reply } of answers) job.settle(reply);
    for (const job of conflicted) job.conflicts += 1;
    return conflicted;
  }

  async function runOnce(batch: readonly Job[]): Promise<readonly Job[]> {
    const eager = batch.filter((job) => job.conflicts <= CONFLICTS_BEFORE_LOCKING);
    const patient = batch.filter((job) => job.conflicts > CONFLICTS_BEFORE_LOCKING);
    const again = await runHalf(eager, (half) => attempt(pool, half));
    return [...again, ...(await runHalf(patient, attemptLocked))];
  }

  async function runBatch(batch: readonly Job[]): Promise<readonly Job[]> {
    const startedAt = performance.now();
    const live = batch.filter((job) => !job.answered);
    let again: readonly Job[] = [];
    try {
      again = live.length > 0 ? await runOnce(live) : [];
    } catch (error) {
      observer.failed(error);
      commitTypes = null;
      for (const job of live) accounts.forget(job.card);
      if (live.length === 1) {
        live[0]?.settle(declinedReply('internal_error'));
      } else {
        // One by one: whether or not part of the batch was committed, a stored answer is found again.
        const conflicted: Job[] = [];
        for (const job of live) {
          if (job.answered) continue;
          job.conflicts += 1;
          conflicted.push(...(await runBatch([job])));
        }
        again = conflicted;
      }
    }
    observer.batchRan(batch.length, performance.now() - startedAt, again.length);
    const retried: Job[] = [];
    for (const job of again) {
      if (job.conflicts > CONFLICTS_MAX) job.settle(declinedReply('internal_error'));
      else if (!job.answered) retried.push(job);
    }
    return retried;
  }

  const queue = new BatchQueue<Job>(deps.limits, runBatch, (job) => accounts.accountIdOf(job.card) ?? job.card);

  function giveUpLate(): void {
    const now = performance.now();
    for (const job of jobs.values()) if (now >= job.giveUpAt) job.settle(declinedReply('late'));
    if (jobs.size > 0 || watching === null) return;
    clearInterval(watching);
    watching = null;
  }

  /** Notes answered batches a little later, many at once. */
  function noteAnswered(): void {
    noting ??= setTimeout(() => {
      noting = null;
      void noteNow();
    }, ANSWERED_NOTED_EVERY_MS).unref();
  }

  async function noteNow(): Promise<void> {
    const batchIds = unanswered.take();
    if (batchIds.length === 0) return;
    try {
      await markAnswered(pool, batchIds);
    } catch (error) {
      unanswered.putBack(batchIds);
      observer.failed(error);
      noteAnswered();
    }
  }

  return {
    get pending() {
      return jobs.size;
    },

    authorize(request, authorizationId) {
      const key = `${request.vendor}:${request.messageId}`;
      const known = jobs.get(key);
      if (known) {
        if (known.request.contentHash === request.contentHash) return known.promise;
        observer.conflicting(request);
        return Promise.resolve(declinedReply('duplicate_conflict'));
      }
      let resolve: (reply: AuthorizationReply) => void = () => undefined;
      const promise = new Promise<AuthorizationReply>((done) => {
        resolve = done;
      });
      const startedAt = performance.now();
      const waitMs = Math.max(request.respondBy.getTime() - clock.now().getTime(), 0) + deps.graceMs;
      const job: Job = {
        key,
        card: `${request.vendor}:${request.cardToken}`,
        request,
        authorizationId: authorizationId ?? newId(),
        promise,
        conflicts: 0,
        sumFailed: false,
        reuses: messages.otherPurchase(key, request),
        partner: null,
        account: null,
        answered: false,
        giveUpAt: startedAt + waitMs,
        settle(reply) {
          if (job.answered) return;
          job.answered = true;
          jobs.delete(key);
          resolve(reply);
          observer.decided(reply, performance.now() - startedAt);
        },
      };
      jobs.set(key, job);
      watching ??= setInterval(giveUpLate, LATE_LOOKED_FOR_EVERY_MS).unref();
      if (!queue.push(job)) job.settle(declinedReply('internal_error'));
      return promise;
    },

    answered(request) {
      unanswered.resolved(`${request.vendor}:${request.messageId}`);
      noteAnswered();
    },

    async close() {
      if (noting) clearTimeout(noting);
      noting = null;
      await noteNow();
    },
  };
}
