import { newId } from '../database/new-id';
import { admit, afterAnswer, type BreakerSettings, CLOSED_BREAKER } from '../partner-decisions/rules/circuit-breaker';
import type { AuthorizationReply, AuthorizationRequest } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import type { WorkflowAsker } from '../temporal/port';
import type { WorkflowProgram } from './authorization-path.repository';
import type { AuthorizationPaths } from './authorization-paths';
import type { Authorizer } from './authorize-spend';
import { plainRequest, replyOf } from './decide-for-workflow';

/** Why a request of the workflow path was answered directly. */
export type FallbackCause = 'timeout' | 'unavailable' | 'failed' | 'breaker_open';

export interface AnswerObserver {
  /** `fallback` is null when the request was answered on the path of its program. */
  answered(path: 'direct' | 'workflow', fallback: FallbackCause | null, milliseconds: number): void;
  /** A request fell back for another reason than an open breaker. */
  fellBack(request: AuthorizationRequest, cause: FallbackCause, detail: string): void;
  breakerChanged(state: 'closed' | 'open' | 'half_open'): void;
  failed(error: unknown): void;
}

export interface AnswerDeskDeps {
  readonly authorizer: Pick<Authorizer, 'authorize' | 'answered'>;
  readonly paths: AuthorizationPaths;
  readonly asker: WorkflowAsker;
  /** Notes answers to holds that a worker placed. */
  readonly noteAnswersGiven: (
    holds: readonly { readonly organizationId: string; readonly authorizationId: string }[],
  ) => Promise<void>;
  /** Notes answers that hold more for a purchase that was known. */
  readonly noteAmendmentsHeard: (amendments: readonly Amendment[]) => Promise<void>;
  readonly clock: Clock;
  readonly observer: AnswerObserver;
  readonly limits?: AnswerLimits;
}

type Amendment = NonNullable<AuthorizationReply['amendment']>;

export interface AnswerLimits {
  /** How long a workflow may take before the direct path answers. */
  readonly deadlineMs: number;
  readonly breaker: BreakerSettings;
}

export const DEFAULT_ANSWER_LIMITS: AnswerLimits = { deadlineMs: 250, breaker: { failures: 5, open_seconds: 5 } };

/** What the direct path needs, whatever the workflow did before. Measured: its p99 is far below. */
const DIRECT_RESERVE_MS = 250;
const NOTED_EVERY_MS = 100;
/** Answers remembered until they are handed over; beyond, they are left to those who look for unheard ones. */
const UNHEARD_MAX = 100_000;

/** These belong to a purchase that has its workflow. */
const OF_A_KNOWN_PURCHASE: readonly AuthorizationRequest['kind'][] = ['incremental_authorization', 'advice'];

export interface AnswerDesk {
  /** Never rejects and always answers by the request's `respondBy` and a little. */
  authorize(request: AuthorizationRequest): Promise<AuthorizationReply>;
  /** The answer was handed to the vendor. */
  answered(request: AuthorizationRequest): void;
  /** Notes what has been answered. */
  close(): Promise<void>;
}

/**
 * Answers a request on the path of its program. On the workflow path a workflow is started under an id that is fixed
 * beforehand and asked at once; where it does not answer in time, or too often did not, the direct path answers under the
 * same id. Both paths call the same authorizer, which decides a message once: the second finds what the first committed.
 */
export function createAnswerDesk(deps: AnswerDeskDeps): AnswerDesk {
  const { authorizer, paths, asker, clock, observer } = deps;
  const { deadlineMs, breaker: settings } = deps.limits ?? DEFAULT_ANSWER_LIMITS;
  const asking = new Map<string, { readonly contentHash: string; readonly reply: Promise<AuthorizationReply> }>();
  const unheard = new Map<string, { readonly organizationId: string; readonly authorizationId: string }>();
  const heard: { readonly organizationId: string; readonly authorizationId: string }[] = [];
  const unheardAmendments = new Map<string, Amendment>();
  const heardAmendments: Amendment[] = [];
  let breaker = CLOSED_BREAKER;
  let noting: NodeJS.Timeout | null = null;

  const setBreaker = (next: typeof breaker): void => {
    if (next.state !== breaker.state) observer.breakerChanged(next.state);
    breaker = next;
  };

  /** Asks the workflow; a cause when it has no answer. */
  async function askWorkflow(
    request: AuthorizationRequest,
    program: WorkflowProgram,
    authorizationId: string,
  ): Promise<AuthorizationReply | FallbackCause> {
    const now = clock.now().getTime();
    const timeoutMs = Math.min(deadlineMs, request.respondBy.getTime() - now - DIRECT_RESERVE_MS);
    if (timeoutMs <= 0) return 'timeout';
    const admission = admit(breaker, settings, now);
    setBreaker(admission.breaker);
    if (!admission.admitted) return 'breaker_open';
    const outcome = await asker.ask(
      {
        workflowType: 'spendAuthorization',
        workflowId: `authorization:${authorizationId}`,
        input: { organizationId: program.organizationId, authorizationId, asked: program.fundingAt },
        update: 'decide',
        argument: plainRequest(request),
      },
      timeoutMs,
    );
    const reply = outcome.kind === 'answered' ? replyOf(outcome.answer) : null;
    // Its worker could not reach the ledger. This process may.
    const usable = reply !== null && reply.declineReason !== 'internal_error';
    setBreaker(afterAnswer(breaker, settings, usable, clock.now().getTime()));
    if (usable) return reply;
    const cause = outcome.kind === 'answered' ? 'failed' : outcome.kind;
    observer.fellBack(request, cause, outcome.kind === 'answered' ? 'the worker could not decide' : outcome.detail);
    return cause;
  }

  async function answerByWorkflow(
    request: AuthorizationRequest,
    program: WorkflowProgram,
  ): Promise<AuthorizationReply> {
    const startedAt = performance.now();
    const authorizationId = newId();
    let answer: AuthorizationReply | FallbackCause;
    try {
      answer = await askWorkflow(request, program, authorizationId);
    } catch (error) {
      observer.failed(error);
      answer = 'failed';
    }
    const fallback = typeof answer === 'string' ? answer : null;
    const reply = typeof answer === 'string' ? await authorizer.authorize(request, authorizationId) : answer;
    observer.answered(fallback === null ? 'workflow' : 'direct', fallback, performance.now() - startedAt);
    if (reply.authorizationId !== null && reply.outcome !== 'declined') {
      const { organizationId } = program;
      remember(unheard, keyOf(request), { organizationId, authorizationId: reply.authorizationId });
    }
    return reply;
  }

  /** An answer that was given up as late is none of these: it holds nothing as far as its vendor knows. */
  function expectHeard(request: AuthorizationRequest, reply: AuthorizationReply): void {
    if (reply.amendment !== undefined) remember(unheardAmendments, keyOf(request), reply.amendment);
  }

  async function noteNow(): Promise<void> {
    const holds = heard.splice(0);
    const amendments = heardAmendments.splice(0);
    try {
      if (holds.length > 0) await deps.noteAnswersGiven(holds);
      if (amendments.length > 0) await deps.noteAmendmentsHeard(amendments);
    } catch (error) {
      // They are found among the unheard, and the processor is asked.
      observer.failed(error);
    }
  }

  function noteSoon(): void {
    noting ??= setTimeout(() => {
      noting = null;
      void noteNow();
    }, NOTED_EVERY_MS).unref();
  }

  return {
    async authorize(request) {
      const key = keyOf(request);
      const startedAt = performance.now();
      const program = OF_A_KNOWN_PURCHASE.includes(request.kind) ? null : await paths.workflowProgramOf(request);
      const meanwhile = asking.get(key);
      if (meanwhile?.contentHash === request.contentHash) return meanwhile.reply;
      if (program === null) {
        const reply = await authorizer.authorize(request);
        observer.answered('direct', null, performance.now() - startedAt);
        expectHeard(request, reply);
        return reply;
      }
      const reply = answerByWorkflow(request, program).then((answer) => {
        expectHeard(request, answer);
        return answer;
      });
      if (meanwhile === undefined) {
        asking.set(key, { contentHash: request.contentHash, reply });
        const done = () => void asking.delete(key);
        reply.then(done, done);
      }
      return reply;
    },

    answered(request) {
      authorizer.answered(request);
      const key = keyOf(request);
      const amendment = unheardAmendments.get(key);
      if (amendment !== undefined) {
        unheardAmendments.delete(key);
        heardAmendments.push(amendment);
        noteSoon();
      }
      const hold = unheard.get(key);
      if (hold === undefined) return;
      unheard.delete(key);
      heard.push(hold);
      noteSoon();
    },

    async close() {
      if (noting !== null) clearTimeout(noting);
      noting = null;
      await noteNow();
    },
  };
}

/** The oldest give way: they are left to those who look for unheard ones. */
function remember<T>(unheard: Map<string, T>, key: string, value: T): void {
  unheard.set(key, value);
  const [oldest] = unheard.size > UNHEARD_MAX ? unheard.keys() : [];
  if (oldest !== undefined) unheard.delete(oldest);
}

function keyOf(request: AuthorizationRequest): string {
  return `${request.vendor}:${request.messageId}`;
}
