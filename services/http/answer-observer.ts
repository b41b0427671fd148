import { Counter, Gauge, type Registry } from 'prom-client';
import type { AnswerObserver } from '../authorizations/answer-authorization';
import type { Logger } from './logging';

const BREAKER_STATES = ['closed', 'half_open', 'open'] as const;

/** Counts which path answered and why, and says when a program's workflows are given up for a while. */
export function createAnswerObserver(registry: Registry, logger: Logger): AnswerObserver {
  const answers = new Counter({
    name: 'escudo_authorization_path_total',
    help: 'Authorization requests by the path that answered; fallback says why a workflow did not',
    labelNames: ['path', 'fallback'],
    registers: [registry],
  });
  const breaker = new Gauge({
    name: 'escudo_workflow_path_breaker',
    help: '1 for the state that the circuit breaker of the workflow path is in',
    labelNames: ['state'],
    registers: [registry],
  });
  const setBreaker = (current: (typeof BREAKER_STATES)[number]): void => {
    for (const state of BREAKER_STATES) breaker.set({ state }, state === current ? 1 : 0);
  };
  setBreaker('closed');
  return {
    answered: (path, fallback) => answers.inc({ path, fallback: fallback ?? 'none' }),
    fellBack: (request, cause, detail) =>
      logger.warn({ message_id: request.messageId, cause, detail }, 'no answer from the workflow; answering directly'),
    breakerChanged(state) {
      setBreaker(state);
      logger.warn({ state }, 'the circuit breaker of the workflow path changed');
    },
    failed: (error) => logger.error({ err: error }, 'the workflow path failed'),
  };
}
