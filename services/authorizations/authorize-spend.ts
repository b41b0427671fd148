import type { Pool, PoolClient } from 'pg';
import { countersToStored } from '../cards/rules/limit-counters';
import { newId } from '../database/new-id';
import { ledgerAccountId } from '../ledger/account-id';
import { positionOf } from '../ledger/account-refs';
import { sourceOfLeg } from '../ledger/templates/place-authorization-hold';
import type { PartnerVerdict } from '../partner-decisions/rules/partner-verdict';
import type { AuthorizationReply, AuthorizationRequest, AuthorizationRequestKind } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import {
  type CommitItem,
  type CommitLeg,
  commitDecisions,
  ensurePositionAccounts,
  lockAccounts,
} from './authorization-commit.repository';
import { BatchQueue, type BatchQueueLimits } from './batch-queue';
import { authorizationEvent } from './rules/authorization-event';
import { decideAuthorization, type SpendRequest } from './rules/decide-authorization';
import { decisionRecord } from './rules/decision-record';
import type { DeclineReason } from './rules/decline-reason';
import { type BatchSnapshot, loadBatchSnapshots, type StoredAnswer } from './spend-snapshot.repository';

/** What the outside is told of each batch and surprise, for metrics and alerts. */
export interface AuthorizerObserver {
  decided(reply: AuthorizationReply, milliseconds: number): void;
  batchRan(size: number, milliseconds: number, conflicts: number): void;
  /** The same message id came with other content: somebody must look. */
  conflicting(request: AuthorizationRequest): void;
  failed(error: unknown): void;
}

export interface AuthorizerDependencies {
  /** Pool of the role `escudo_authorizer`. */
  readonly pool: Pool;
  readonly clock: Clock;
  readonly limits: BatchQueueLimits;
  readonly observer: AuthorizerObserver;
}

export interface Authorizer {
  /**
   * Decides a request and commits the decision before it answers. Never rejects: what cannot be decided is declined.
   * A repeated message gets the answer that the first one got, whether it is waiting, in flight or stored.
   */
  authorize(request: AuthorizationRequest): Promise<AuthorizationReply>;
  /** Requests waiting or in flight. */
  readonly pending: number;
}

/** A request on its way, and the promise that its repetitions share. */
interface Job {
  readonly request: AuthorizationRequest;
  readonly promise: Promise<AuthorizationReply>;
  readonly settle: (reply: AuthorizationReply) => void;
  conflicts: number;
  /** Known once a snapshot has been read. */
  account: { readonly organizationId: string; readonly accountId: string } | null;
  answered: boolean;
}

/** Waiting beyond `respondBy` for a commit that is under way costs the vendor nothing: it has its own margin on top. */
const GRACE_MS = 250;
/** Conflicts of versions after which the accounts are locked before they are read. */
const CONFLICTS_BEFORE_LOCKING = 1;
const CONFLICTS_MAX = 20;
/** Accounts of cards seen, kept so that two cards of one account wait for each other. Only a hint: forgetting it costs a conflict. */
const ROUTES_KEPT_MAX = 200_000;

const SPEND_KIND: Readonly<Record<AuthorizationRequestKind, SpendRequest['kind']>> = {
  authorization: 'authorization',
  cash_withdrawal: 'cash_withdrawal',
  balance_inquiry: 'balance_inquiry',
  zero_amount_verification: 'zero_amount_verification',
  incremental_authorization: 'other',
  advice: 'other',
  refund_authorization: 'refund_authorization',
};

function toSpendRequest(
  request: AuthorizationRequest,
  endedBefore: boolean,
  partner: PartnerVerdict | null,
): SpendRequest {
  return {
    kind: SPEND_KIND[request.kind],
    amount: request.amount,
    currency: request.currency,
    mcc: request.merchant.mcc,
    merchantId: request.merchant.id,
    merchantCurrency: request.merchantCurrency,
    cashAmount: request.cashAmount,
    fleet: request.fleet,
    partner,
    merchantCountry: request.merchant.country,
    channel: request.channel,
    partialApprovalAllowed: request.partialApprovalAllowed,
    avs: request.avs,
    cvc: request.cvc,
    endedBefore,
  };
}

function declinedReply(reason: DeclineReason, authorizationId: string | null = null): AuthorizationReply {
  return { outcome: 'declined', approvedAmount: 0n, declineReason: reason, balance: null, authorizationId };
}

function storedReply(answer: StoredAnswer): AuthorizationReply {
  return {
    outcome: answer.outcome === 'recorded' ? 'approved' : answer.outcome,
    approvedAmount: BigInt(answer.approved_amount),
    declineReason: answer.decline_reason,
    balance: answer.balance === null ? null : BigInt(answer.balance),
    authorizationId: answer.authorization_id,
  };
}

function toStoredAnswer(reply: AuthorizationReply): StoredAnswer {
  return {
    outcome: reply.outcome,
    approved_amount: reply.approvedAmount.toString(),
    decline_reason: reply.declineReason,
    balance: reply.balance?.toString() ?? null,
    authorization_id: reply.authorizationId,
  };
}

/** A decided job with the rows that its commit writes. */
interface Draft {
  readonly job: Job;
  readonly reply: AuthorizationReply;
  readonly lateReply: AuthorizationReply;
  readonly item: CommitItem;
  readonly legs: readonly CommitLeg[];
}

interface Answer {
  readonly job: Job;
  readonly reply: AuthorizationReply;
}

/** What came of running a batch once: answers to give, and jobs that met a newer version of their account. */
interface Attempt {
  readonly answers: readonly Answer[];
  readonly conflicted: readonly Job[];
}

function draftOf(
  job: Job,
  ordinal: number,
  found: BatchSnapshot & { kind: 'found' },
  cardId: string,
  now: Date,
): Draft {
  const { request } = job;
  const { snapshot, knownAuthorization: known } = found;
  const spend = toSpendRequest(request, found.endedBefore, null);
  const decision = decideAuthorization(snapshot, known ? { ...spend, kind: 'other' } : spend, now);
  const holds = decision.legs.length > 0;
  const authorizationId = known ? null : newId();
  const state = decision.outcome === 'declined' ? 'declined' : holds ? 'pending' : 'cleared';
  const reply: AuthorizationReply = {
    outcome: decision.outcome,
    approvedAmount: decision.approvedAmount,
    declineReason: decision.reason,
    balance: decision.balance,
    authorizationId: authorizationId ?? known?.id ?? null,
  };
  const lateReply = declinedReply('late', reply.authorizationId);
  const decidedAt = now.toISOString();
  const organizationId = snapshot.organizationId;
  const event = authorizationEvent({
    id: reply.authorizationId ?? '',
    accountId: snapshot.accountId,
    cardId,
    state,
    declineReason: decision.reason,
    requestedAmount: request.amount,
    approvedAmount: decision.approvedAmount,
    holdAmount: decision.holdAmount,
    clearedAmount: 0n,
    reversedAmount: 0n,
    refundedAmount: 0n,
    merchant: request.merchant,
    channel: request.channel,
    expiresAt: decision.expiresAt,
  });

  const legs: CommitLeg[] = [];
  let loanHold = 0n;
  for (const [index, leg] of decision.legs.entries()) {
    const legId = newId();
    const source = sourceOfLeg(snapshot.accountId, { legId, kind: leg.kind, asset: leg.asset });
    if (leg.kind === 'loan_draw') loanHold += leg.amount;
    legs.push({
      ordinal,
      leg_id: legId,
      leg_ordinal: index,
      kind: leg.kind,
      asset: leg.asset,
      amount: leg.amount.toString(),
      amount_usd: leg.amountUsd.toString(),
      price_usd_e8: leg.priceUsdE8.toString(),
      transfer_id: newId(),
      label: leg.kind === 'stablecoin_sale' ? 'hold-funds' : 'hold-loan',
      debit_account_id: ledgerAccountId(organizationId, source),
      debit_key: source.key,
      credit_account_id: ledgerAccountId(organizationId, positionOf(leg.asset)),
    });
  }
  const item: CommitItem = {
    ordinal,
    organization_id: organizationId,
    account_id: snapshot.accountId,
    expected_version: snapshot.accountVersion.toString(),
    respond_by: request.respondBy.toISOString(),
    vendor: request.vendor,
    message_id: request.messageId,
    content_hash: request.contentHash,
    kind: request.kind,
    processor_authorization_id: request.processorAuthorizationId,
    authorization_id: authorizationId,
    known_authorization_id: known?.id ?? null,
    card_id: cardId,
    program_id: snapshot.programId,
    state,
    decline_reason: decision.reason,
    currency: request.currency,
    requested_amount: request.amount.toString(),
    approved_amount: decision.approvedAmount.toString(),
    hold_amount: decision.holdAmount.toString(),
    merchant_amount: request.merchantAmount.toString(),
    merchant_currency: request.merchantCurrency,
    merchant: request.merchant,
    channel: request.channel,
    receipt: decisionRecord(snapshot, spend, decision, now),
    occurred_at: request.occurredAt.toISOString(),
    expires_at: decision.expiresAt?.toISOString() ?? null,
    answer: toStoredAnswer(reply),
    loan_hold: loanHold.toString(),
    ledger_transaction_id: holds ? newId() : null,
    decided_at: decidedAt,
    account_windows: decision.counters ? countersToStored(decision.counters.account) : null,
    card_windows: decision.counters?.card ? countersToStored(decision.counters.card) : null,
    event_id: newId(),
    event_type: decision.outcome === 'declined' ? 'authorization.declined' : 'authorization.approved',
    event_data: event,
    command_id: holds ? newId() : null,
  };
  return { job, reply, lateReply, item, legs };
}

/**
 * The authorizer of decision 0001: requests wait in a bounded queue, go out in batches of one snapshot statement, a pure
 * decision each and one commit statement, and are answered once committed. A version conflict is decided again, from the
 * second time on with the accounts locked. A failed batch is run again one by one, so that a bad item fails alone.
 */
export function createAuthorizer(deps: AuthorizerDependencies): Authorizer {
  const { pool, clock, observer } = deps;
  const jobs = new Map<string, Job>();
  const routes = new Map<string, string>();
  const positions = new Set<string>();

  async function ensurePositions(client: Pool | PoolClient, drafts: readonly Draft[]): Promise<void> {
    const missing = new Map<string, { organizationId: string; id: string; key: string; asset: string }>();
    for (const { item, legs } of drafts) {
      for (const leg of legs) {
        if (positions.has(leg.credit_account_id)) continue;
        const ref = positionOf(leg.asset);
        missing.set(leg.credit_account_id, {
          organizationId: item.organization_id,
          id: leg.credit_account_id,
          key: ref.key,
          asset: ref.asset,
        });
      }
    }
    if (missing.size === 0) return;
    await ensurePositionAccounts(client, [...missing.values()]);
    for (const id of missing.keys()) positions.add(id);
  }

  /** Reads, decides and commits. Nobody is answered here: in a transaction, the answers would be ahead of its durability. */
  async function attempt(client: Pool | PoolClient, batch: readonly Job[]): Promise<Attempt> {
    const snapshots = await loadBatchSnapshots(
      client,
      batch.map(({ request }) => ({
        vendor: request.vendor,
        cardToken: request.cardToken,
        messageId: request.messageId,
        processorAuthorizationId: request.processorAuthorizationId,
      })),
    );
    const now = clock.now();
    const answers: Answer[] = [];
    const drafts: Draft[] = [];
    const conflicted: Job[] = [];
    const drafted = new Set<string>();
    for (const [index, job] of batch.entries()) {
      const found = snapshots[index];
      if (!found || found.kind === 'unknown_card' || !found.snapshot.card) {
        answers.push({ job, reply: declinedReply('unknown_card') });
        continue;
      }
      const { snapshot, knownMessage } = found;
      job.account = { organizationId: snapshot.organizationId, accountId: snapshot.accountId };
      if (routes.size >= ROUTES_KEPT_MAX) routes.clear();
      routes.set(job.request.cardToken, snapshot.accountId);
      if (!knownMessage && drafted.has(snapshot.accountId)) {
        // Two cards of one account before their routes were known: the second cannot be decided on the same snapshot.
        conflicted.push(job);
      } else if (!knownMessage) {
        drafted.add(snapshot.accountId);
        drafts.push(draftOf(job, drafts.length, found, found.snapshot.card.id, now));
      } else if (knownMessage.contentHash === job.request.contentHash) {
        answers.push({ job, reply: storedReply(knownMessage.answer) });
      } else {
        observer.conflicting(job.request);
        answers.push({ job, reply: declinedReply('duplicate_conflict') });
      }
    }
    if (drafts.length === 0) return { answers, conflicted };
    await ensurePositions(client, drafts);
    const committed = await commitDecisions(
      client,
      drafts.map((draft) => draft.item),
      drafts.flatMap((draft) => draft.legs),
    );
    const lateByOrdinal = new Map(committed.map((each) => [each.ordinal, each.late]));
    for (const [ordinal, draft] of drafts.entries()) {
      const late = lateByOrdinal.get(ordinal);
      if (late === undefined) conflicted.push(draft.job);
      else answers.push({ job: draft.job, reply: late ? draft.lateReply : draft.reply });
    }
    return { answers, conflicted };
  }

  async function attemptLocked(batch: readonly Job[]): Promise<Attempt> {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await lockAccounts(
        client,
        batch.flatMap((job) => (job.account ? [job.account] : [])),
      );
      const result = await attempt(client, batch);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
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
    const { answers, conflicted } = await run(batch);
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
      if (live.length === 1) {
        live[0]?.settle(declinedReply('internal_error'));
      } else {
        // One by one: whether or not part of the batch was committed, a stored answer is found again.
        const conflicted: Job[] = [];
        for (const job of live) if (!job.answered) conflicted.push(...(await runBatch([job])));
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

  const queue = new BatchQueue<Job>(
    deps.limits,
    runBatch,
    (job) => routes.get(job.request.cardToken) ?? job.request.cardToken,
  );

  return {
    get pending() {
      return jobs.size;
    },

    authorize(request) {
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
      const waitMs = Math.max(request.respondBy.getTime() - clock.now().getTime(), 0) + GRACE_MS;
      const job: Job = {
        request,
        promise,
        conflicts: 0,
        account: null,
        answered: false,
        settle(reply) {
          if (job.answered) return;
          job.answered = true;
          clearTimeout(timer);
          jobs.delete(key);
          resolve(reply);
          observer.decided(reply, performance.now() - startedAt);
        },
      };
      const timer = setTimeout(() => job.settle(declinedReply('late')), waitMs);
      timer.unref();
      jobs.set(key, job);
      if (!queue.push(job)) job.settle(declinedReply('internal_error'));
      return promise;
    },
  };
}
