import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Backlog } from '../outbox/read-backlog';

export interface WorkerMetrics {
  readonly registry: Registry;
  readonly relayed: Counter<'source' | 'workflow_type' | 'outcome'>;
  readonly relayPostponed: Counter<'source' | 'workflow_type'>;
  readonly relaySeconds: Histogram<'source'>;
  readonly jobFailures: Counter<'job'>;
}

/** Both are asked with every scrape, so that what they say is true even while the relay and the sweepers stand still. */
export function createWorkerMetrics(
  readBacklog: () => Promise<Backlog>,
  readUnheardAnswers: () => Promise<Readonly<Record<string, Backlog[keyof Backlog]>>>,
): WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const waiting = new Gauge({
    name: 'escudo_outbox_waiting',
    help: 'Workflows to start or signal that Temporal has not been told of yet',
    labelNames: ['source'],
    registers: [registry],
  });
  new Gauge({
    name: 'escudo_outbox_lag_seconds',
    help: 'Age of the oldest row that waits for Temporal',
    labelNames: ['source'],
    registers: [registry],
    async collect() {
      for (const [source, { waiting: count, oldestAgeMs }] of Object.entries(await readBacklog())) {
        waiting.set({ source }, count);
        this.set({ source }, oldestAgeMs / 1_000);
      }
    },
  });
  const unheard = new Gauge({
    name: 'escudo_unheard_answers',
    help: 'Approvals that may not have been heard, while the processor has not said what it made of them; of first ones, batches',
    labelNames: ['of'],
    registers: [registry],
  });
  new Gauge({
    name: 'escudo_unheard_answers_oldest_seconds',
    help: 'Time since the oldest of them was due',
    labelNames: ['of'],
    registers: [registry],
    async collect() {
      for (const [of, { waiting: count, oldestAgeMs }] of Object.entries(await readUnheardAnswers())) {
        unheard.set({ of }, count);
        this.set({ of }, oldestAgeMs / 1_000);
      }
    },
  });
  return {
    registry,
    relayed: new Counter({
      name: 'escudo_outbox_relayed_total',
      help: 'Workflows that Temporal was told to start or signal',
      labelNames: ['source', 'workflow_type', 'outcome'],
      registers: [registry],
    }),
    relayPostponed: new Counter({
      name: 'escudo_outbox_postponed_total',
      help: 'Attempts to tell Temporal that failed and are made again',
      labelNames: ['source', 'workflow_type'],
      registers: [registry],
    }),
    relaySeconds: new Histogram({
      name: 'escudo_outbox_relay_seconds',
      help: 'Time from the commit of a row until Temporal has it',
      labelNames: ['source'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
      registers: [registry],
    }),
    jobFailures: new Counter({
      name: 'escudo_job_failures_total',
      help: 'Runs of periodic jobs that threw',
      labelNames: ['job'],
      registers: [registry],
    }),
  };
}
