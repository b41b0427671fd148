import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface HttpMetrics {
  readonly registry: Registry;
  readonly requestSeconds: Histogram<'method' | 'route' | 'status'>;
  /** Messages at the processor's and vendors' doors, by what became of them. */
  readonly ingressMessages: Counter<'vendor' | 'route' | 'outcome'>;
  readonly authorizationSeconds: Histogram<'vendor'>;
  readonly batchSize: Histogram;
  readonly batchSeconds: Histogram;
  readonly batchConflicts: Counter;
}

export function createMetrics(): HttpMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'escudo_http_request_seconds',
      help: 'Time to answer a request of the API',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers: [registry],
    }),
    ingressMessages: new Counter({
      name: 'escudo_ingress_messages_total',
      help: 'Messages of vendors, by outcome',
      labelNames: ['vendor', 'route', 'outcome'],
      registers: [registry],
    }),
    authorizationSeconds: new Histogram({
      name: 'escudo_authorization_seconds',
      help: 'Time from the first byte of an authorization request to its answer',
      labelNames: ['vendor'],
      buckets: [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1, 3],
      registers: [registry],
    }),
    batchSize: new Histogram({
      name: 'escudo_authorization_batch_size',
      help: 'Authorizations decided in one batch',
      buckets: [1, 2, 4, 8, 16, 32, 64],
      registers: [registry],
    }),
    batchSeconds: new Histogram({
      name: 'escudo_authorization_batch_seconds',
      help: 'Time from the snapshot of a batch to its commit',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
      registers: [registry],
    }),
    batchConflicts: new Counter({
      name: 'escudo_authorization_conflicts_total',
      help: 'Authorizations decided again because their account had moved on',
      registers: [registry],
    }),
  };
}
