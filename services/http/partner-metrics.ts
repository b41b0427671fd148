import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PartnerObserver } from '../partner-decisions/ask-partner';
import type { Logger } from './logging';

/** Counts what fintechs answer and logs when one stops answering. No label names a fintech: there may be thousands. */
export function createPartnerObserver(registry: Registry, logger: Logger): PartnerObserver {
  const asked = new Counter({
    name: 'escudo_partner_questions_total',
    help: 'Questions sent to fintechs',
    registers: [registry],
  });
  const verdicts = new Counter({
    name: 'escudo_partner_verdicts_total',
    help: 'Verdicts on purchases that a fintech was to decide, by what they rest on',
    labelNames: ['cause', 'decision'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'escudo_partner_seconds',
    help: 'Time until a fintech had answered, or was no longer waited for',
    labelNames: ['cause'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5],
    registers: [registry],
  });
  const waiting = new Gauge({
    name: 'escudo_partner_waiting',
    help: 'Questions on their way at the latest one',
    registers: [registry],
  });
  const breakers = new Gauge({
    name: 'escudo_partner_breakers_open',
    help: 'Endpoints of fintechs that are not asked because they stopped answering',
    registers: [registry],
  });
  const open = new Set<string>();

  return {
    asked(now) {
      asked.inc();
      waiting.set(now);
    },
    decided({ cause, decision, latencyMs }) {
      verdicts.inc({ cause, decision });
      if (cause === 'answered' || cause === 'timeout' || cause === 'error' || cause === 'invalid_answer') {
        seconds.observe({ cause }, latencyMs / 1_000);
      }
    },
    breakerMoved({ organizationId, programId }, state) {
      if (state === 'closed') open.delete(programId);
      else open.add(programId);
      breakers.set(open.size);
      logger.warn(
        { organization_id: organizationId, program_id: programId, state },
        'circuit breaker of a fintech moved',
      );
    },
    failed: (error) => logger.error({ err: error }, 'a question to a fintech failed on our side'),
  };
}
