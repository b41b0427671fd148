import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface HttpMetrics {
  readonly registry: Registry;
  readonly requestSeconds: Histogram<'method' | 'route' | 'status'>;
  /** Messages at the processor's and vendors' doors, by what became of them. */
  readonly ingressMessages: Counter<'vendor' | 'route' | 'outcome'>;
  readonly authorizationSeconds: Histogram<'vendor'>;
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
  };
}
