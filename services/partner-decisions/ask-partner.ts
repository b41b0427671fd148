import type { Knex } from 'knex';
import type { Pool } from 'pg';
import type { PartnerDecisionPolicy } from '../programs/rules/program-policy';
import type { KeyProvider } from '../providers/keys/port';
import type { AuthorizationRequest } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { openSecrets } from './endpoint-secret';
import { noteEndpointResult } from './note-endpoint-result';
import { CONNECTIONS_MAX, createPartnerConnection, type PartnerConnection, type PartnerReply } from './partner-client';
import { type EndpointForQuestion, endpointForQuestion } from './partner-endpoint.repository';
import { endpointUrlProblem } from './public-address';
import { type AskedIncrement, questionDocument, questionId } from './question-document';
import { admit, afterAnswer, type CircuitBreaker, CLOSED_BREAKER } from './rules/circuit-breaker';
import { readPartnerAnswer } from './rules/partner-answer';
import type { PartnerCause, PartnerVerdict } from './rules/partner-verdict';
import { standIn } from './rules/stand-in';
import { signedHeaders } from './sign-question';

/** A purchase that our own controls and funds would approve, for the fintech to have its say. Ids are plain UUIDs. */
export interface PartnerQuestion {
  readonly organizationId: string;
  readonly programId: string;
  readonly accountId: string;
  readonly cardholderId: string;
  readonly cardId: string;
  /** Ours, where it is already known. */
  readonly authorizationId: string | null;
  /** Of more for a known purchase, `amount` is what comes on top. */
  readonly request: AuthorizationRequest;
  /** The purchase that more is asked for; left out for a first message. */
  readonly increment?: AskedIncrement;
  /** Cents in the card's currency that we would approve: less than asked for in a partial approval. */
  readonly approvableAmount: bigint;
  /** Cents: the largest amount that we would approve for this merchant and channel. */
  readonly largestAmount: bigint;
  readonly policy: PartnerDecisionPolicy;
  /** The latest instant at which a verdict is still of use. */
  readonly deadline: Date;
}

export interface PartnerDesk {
  /**
   * Asks the fintech, waits no longer than the program's policy and `deadline` allow, and decides by the stand-in rules where no valid
   * answer came. Never rejects. A repetition of the same message while it is waited for shares the one question.
   */
  ask(question: PartnerQuestion): Promise<PartnerVerdict>;
}

/** What the outside is told, for metrics and alerts. */
export interface PartnerObserver {
  /** A question left; `waiting` are on their way now, to all fintechs. */
  asked(waiting: number): void;
  decided(verdict: PartnerVerdict): void;
  breakerMoved(
    endpoint: { readonly organizationId: string; readonly programId: string },
    state: CircuitBreaker['state'],
  ): void;
  failed(error: unknown): void;
}

export interface PartnerDeskDependencies {
  /** Pool of the role `escudo_authorizer`: what a program's endpoint is, in one statement. */
  readonly pool: Pick<Pool, 'query'>;
  /** Pool of the role `escudo_app`: notes results. */
  readonly knex: Knex;
  readonly keys: KeyProvider;
  readonly clock: Clock;
  /** Development and tests: endpoints may be plain http and on this machine. */
  readonly privateAllowed: boolean;
  readonly observer: PartnerObserver;
}

/** What the fintech is asked must leave time for the decision after it. */
const TIME_AFTER_MS = 300;

/** The latest instant at which a verdict is of use to an answer that is due at `respondBy`. */
export function askUntil(respondBy: Date): Date {
  return new Date(respondBy.getTime() - TIME_AFTER_MS);
}

/** Left of the network's own limit for the decision and its commit after the answer. */
const COMMIT_MARGIN_MS = 150;
/** With less than this left, asking would only be for show. */
const WAIT_MS_MIN = 10;
/** Results are shown to people: the latest one of each second is enough. */
const NOTE_INTERVAL_MS = 1_000;
const ENDPOINTS_KEPT_MAX = 1_000;
const ENDPOINT_IDLE_MS = 600_000;

/** One endpoint of a fintech as this process knows it. */
interface Line {
  readonly owner: { readonly organizationId: string; readonly programId: string; readonly endpointId: string };
  readonly url: string;
  readonly connection: PartnerConnection;
  breaker: CircuitBreaker;
  waiting: number;
  usedAt: number;
  secrets: { readonly version: number; readonly texts: readonly string[] } | null;
  note: { readonly askedAt: Date; readonly attempt: Attempt; readonly latencyMs: number } | null;
  noteTimer: NodeJS.Timeout | null;
}

/** What came of one question. */
interface Attempt {
  readonly cause: PartnerCause;
  readonly answer: { readonly decision: 'approve' | 'decline'; readonly reason: string | null } | null;
  /** For people; no content of the purchase. */
  readonly detail: string | null;
  readonly sent: boolean;
}

function unanswered(cause: PartnerCause, detail: string | null, sent: boolean): Attempt {
  return { cause, answer: null, detail, sent };
}

/** What a reply on the wire means. Only a 200 with a valid answer is one. */
export function attemptOf(reply: PartnerReply): Attempt {
  switch (reply.kind) {
    case 'timeout':
      return unanswered('timeout', 'no answer in time', true);
    case 'error':
      return unanswered('error', reply.detail, true);
    case 'too_large':
      return unanswered('invalid_answer', 'the answer is larger than any valid one', true);
    case 'answer': {
      if (reply.status !== 200) return unanswered('error', `HTTP ${reply.status}`, true);
      const answer = readPartnerAnswer(reply.text);
      if ('problem' in answer) return unanswered('invalid_answer', answer.problem, true);
      return { cause: 'answered', answer, detail: null, sent: true };
    }
  }
}

/**
 * The desk at which fintechs are asked, one for each api process. Each endpoint has its own sockets, bound and circuit breaker, so that
 * a slow or dead fintech costs only its own cardholders, and those only until the breaker opens.
 */
export function createPartnerDesk(deps: PartnerDeskDependencies): PartnerDesk & { close(): Promise<void> } {
  const { clock, observer } = deps;
  const questions = new Map<string, Promise<PartnerVerdict>>();
  const lines = new Map<string, Line>();
  let waiting = 0;

  /** A program has one endpoint; one that moved or was made anew has a clean slate. */
  function lineOf(question: PartnerQuestion, endpoint: EndpointForQuestion): Line {
    const known = lines.get(question.programId);
    if (known !== undefined && known.owner.endpointId === endpoint.id && known.url === endpoint.url) return known;
    hangUp(question.programId);
    if (lines.size >= ENDPOINTS_KEPT_MAX) forgetIdleLines();
    const line: Line = {
      owner: {
        organizationId: question.organizationId,
        programId: question.programId,
        endpointId: endpoint.id,
      },
      url: endpoint.url,
      connection: createPartnerConnection(endpoint.url, deps.privateAllowed),
      breaker: CLOSED_BREAKER,
      waiting: 0,
      usedAt: Date.now(),
      secrets: null,
      note: null,
      noteTimer: null,
    };
    lines.set(question.programId, line);
    return line;
  }

  /** Whoever still waits for an answer on the line is decided by the stand-in rules. */
  function hangUp(programId: string): void {
    const line = lines.get(programId);
    if (line === undefined) return;
    lines.delete(programId);
    moveBreaker(line, CLOSED_BREAKER);
    line.connection.close().catch(observer.failed);
  }

  function forgetIdleLines(): void {
    for (const [programId, line] of lines) {
      if (line.waiting === 0 && Date.now() - line.usedAt > ENDPOINT_IDLE_MS) hangUp(programId);
    }
  }

  function moveBreaker(line: Line, breaker: CircuitBreaker): boolean {
    const moved = line.breaker.state !== breaker.state;
    line.breaker = breaker;
    if (moved) observer.breakerMoved(line.owner, breaker.state);
    return moved;
  }

  /** The latest result, at once when the breaker moved, else at most once a second. */
  function note(line: Line, result: NonNullable<Line['note']>, atOnce: boolean): void {
    line.note = result;
    if (atOnce && line.noteTimer !== null) {
      clearTimeout(line.noteTimer);
      line.noteTimer = null;
    }
    if (line.noteTimer !== null) return;
    line.noteTimer = setTimeout(() => writeNote(line), atOnce ? 0 : NOTE_INTERVAL_MS);
    line.noteTimer.unref();
  }

  function writeNote(line: Line): void {
    line.noteTimer = null;
    if (line.note === null) return;
    const { askedAt, attempt, latencyMs } = line.note;
    line.note = null;
    noteEndpointResult(deps.knex, {
      ...line.owner,
      askedAt,
      cause: attempt.cause,
      detail: attempt.detail,
      latencyMs,
      breaker: line.breaker.state,
    }).catch(observer.failed);
  }

  async function secretsOf(line: Line, endpoint: EndpointForQuestion, now: Date): Promise<readonly string[]> {
    if (line.secrets?.version !== endpoint.secret_version) {
      const sealed = [endpoint.secret, ...(endpoint.previous_secret === null ? [] : [endpoint.previous_secret])];
      const texts = await openSecrets(deps.keys, line.owner, endpoint.data_key, sealed);
      line.secrets = { version: endpoint.secret_version, texts };
    }
    const overlap = endpoint.previous_secret_expires_at !== null && endpoint.previous_secret_expires_at > now;
    return overlap ? line.secrets.texts : line.secrets.texts.slice(0, 1);
  }

  async function send(
    line: Line,
    endpoint: EndpointForQuestion,
    question: PartnerQuestion,
    id: string,
    respondBy: Date,
    progress: { sent: boolean },
  ): Promise<Attempt> {
    const now = clock.now();
    const secrets = await secretsOf(line, endpoint, now);
    const timeoutMs = respondBy.getTime() - clock.now().getTime();
    if (timeoutMs < WAIT_MS_MIN) return unanswered('timeout', 'no time was left to ask', false);
    const body = JSON.stringify(
      questionDocument(
        { ...question, cardholderExternalId: endpoint.cardholder_external_id },
        { id, createdAt: now, respondBy, test: false },
      ),
    );
    waiting += 1;
    progress.sent = true;
    observer.asked(waiting);
    try {
      const headers = signedHeaders(id, now, body, secrets);
      return attemptOf(await line.connection.post({ url: endpoint.url, headers, body, timeoutMs }));
    } finally {
      waiting -= 1;
    }
  }

  async function attempt(
    question: PartnerQuestion,
    id: string,
    respondBy: Date,
    progress: { sent: boolean },
  ): Promise<Attempt> {
    const endpoint = await endpointForQuestion(deps.pool, question);
    if (endpoint === null || endpoint.state !== 'active') {
      hangUp(question.programId);
      return unanswered('not_configured', null, false);
    }
    const problem = endpointUrlProblem(endpoint.url, deps.privateAllowed);
    if (problem !== null) return unanswered('error', `the URL ${problem}`, false);
    const line = lineOf(question, endpoint);
    line.usedAt = Date.now();
    if (line.waiting >= CONNECTIONS_MAX) return unanswered('overloaded', null, false);
    const admission = admit(line.breaker, question.policy.breaker, clock.now().getTime());
    if (!admission.admitted) return unanswered('breaker_open', null, false);
    moveBreaker(line, admission.breaker);

    const askedAt = clock.now();
    const startedAt = performance.now();
    line.waiting += 1;
    let result: Attempt = unanswered('error', 'the question could not be sent', false);
    try {
      result = await send(line, endpoint, question, id, respondBy, progress);
      return result;
    } finally {
      line.waiting -= 1;
      // A line that was hung up meanwhile has nothing to tell of the endpoint that took its place.
      if (lines.get(question.programId) === line) {
        const answered = result.cause === 'answered';
        const moved = moveBreaker(
          line,
          afterAnswer(line.breaker, question.policy.breaker, answered, clock.now().getTime()),
        );
        note(line, { askedAt, attempt: result, latencyMs: Math.round(performance.now() - startedAt) }, moved);
      }
    }
  }

  async function decide(question: PartnerQuestion, id: string): Promise<PartnerVerdict> {
    const { policy, request } = question;
    const startedAt = performance.now();
    const now = clock.now().getTime();
    const latest = Math.min(question.deadline.getTime(), request.respondBy.getTime() - COMMIT_MARGIN_MS);
    const respondBy = new Date(Math.min(now + policy.timeout_ms, latest));
    const waitMs = respondBy.getTime() - now;
    let timer: NodeJS.Timeout | undefined;
    const progress = { sent: false };
    let outcome: Attempt;
    try {
      if (waitMs < WAIT_MS_MIN) outcome = unanswered('timeout', 'no time was left to ask', false);
      else {
        // Whatever holds the question up, the purchase goes on in time.
        const tooLate = new Promise<Attempt>((resolve) => {
          timer = setTimeout(() => resolve(unanswered('timeout', 'no answer in time', progress.sent)), waitMs);
        });
        outcome = await Promise.race([attempt(question, id, respondBy, progress), tooLate]);
      }
    } catch (error) {
      observer.failed(error);
      outcome = unanswered('error', null, false);
    } finally {
      clearTimeout(timer);
    }
    const { answer } = outcome;
    // Stand-in rules are about the whole purchase, not about the last part of it.
    const whole = (question.increment?.previousTotal ?? 0n) + request.amount;
    return {
      decision: answer?.decision ?? standIn(policy.stand_in, { amount: whole, mcc: request.merchant.mcc }),
      source: answer === null ? 'stand_in' : 'partner',
      cause: outcome.cause,
      reason: answer?.reason ?? null,
      ...(answer === null ? {} : { askedAmount: question.approvableAmount.toString() }),
      requestId: outcome.sent ? id : null,
      latencyMs: Math.round(performance.now() - startedAt),
    };
  }

  return {
    ask(question) {
      const id = questionId(question.organizationId, question.request);
      const known = questions.get(id);
      if (known !== undefined) return known;
      const verdict = decide(question, id).then((decided) => {
        questions.delete(id);
        observer.decided(decided);
        return decided;
      });
      questions.set(id, verdict);
      return verdict;
    },

    async close() {
      for (const line of lines.values()) if (line.noteTimer !== null) clearTimeout(line.noteTimer);
      await Promise.allSettled([...lines.values()].map((line) => line.connection.close()));
    },
  };
}
