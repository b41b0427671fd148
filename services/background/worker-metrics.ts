import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Commands that wait for Temporal. */
export interface Backlog {
  readonly waiting: number;
  readonly oldestAgeMs: number;
}

export interface WorkerMetrics {
  readonly registry: Registry;
  readonly relayed: Counter<'workflow_type' | 'outcome'>;
  readonly relayPostponed: Counter<'workflow_type'>;
  readonly relaySeconds: Histogram;
  readonly jobFailures: Counter<'job'>;
}

/** `readBacklog` is asked with every scrape, so that the lag is true even while the relay stands still. */
export function createWorkerMetrics(readBacklog: () => Promise<Backlog>): WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const waiting = new Gauge({
    name: 'escudo_outbox_waiting',
    help: 'Workflow commands that Temporal has not been told yet',
    registers: [registry],
  });
  new Gauge({
    name: 'escudo_outbox_lag_seconds',
    help: 'Age of the oldest workflow command that waits',
    registers: [registry],
    async collect() {
      const backlog = await readBacklog();
      waiting.set(backlog.waiting);
      this.set(backlog.oldestAgeMs / 1_000);
    },
  });
  return {
    registry,
    relayed: new Counter({
      name: 'escudo_outbox_relayed_total',
      help: 'Workflow commands that Temporal was told',
      labelNames: ['workflow_type', 'outcome'],
      registers: [registry],
    }),
    relayPostponed: new Counter({
      name: 'escudo_outbox_postponed_total',
      help: 'Attempts to tell Temporal that failed and are made again',
      labelNames: ['workflow_type'],
      registers: [registry],
    }),
    relaySeconds: new Histogram({
      name: 'escudo_outbox_relay_seconds',
      help: 'Time from the commit of a workflow command until Temporal has it',
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
