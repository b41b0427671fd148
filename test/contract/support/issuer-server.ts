import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type {
  AuthorizationReply,
  AuthorizationRequest,
  CardEvent,
  ProcessorIngress,
  UnknownVendorMessage,
} from '../../../services/providers/processor/port';

/** What the ingress under test was sent and what it made of it. */
export interface IssuerServer {
  readonly authorizationsUrl: string;
  readonly eventsUrl: string;
  readonly requests: AuthorizationRequest[];
  /** Signed message id and body of every request for a decision, those interfered with included. */
  readonly asked: string[];
  /** Card events acted upon: the first of each message id. */
  readonly events: CardEvent[];
  /** Every card event as delivered, repetitions included. */
  readonly delivered: CardEvent[];
  /** Identity of each delivery of events that was taken. */
  readonly deliveries: string[];
  readonly unknown: UnknownVendorMessage[];
  readonly refused: string[];
  /** Decides the next requests. */
  answer: (request: AuthorizationRequest) => AuthorizationReply | Promise<AuthorizationReply>;
  /** Overrides the HTTP answer to the next requests for a decision. */
  interfere: ((attempt: number) => { readonly status: number; readonly body: string } | null) | null;
  reset(): void;
  close(): Promise<void>;
}

export function approve(request: AuthorizationRequest, change: Partial<AuthorizationReply> = {}): AuthorizationReply {
  return {
    outcome: 'approved',
    approvedAmount: request.amount,
    declineReason: null,
    balance: null,
    authorizationId: 'auth',
    ...change,
  };
}

/** The smallest server that uses an ingress as the API does: verify the raw bytes, translate, answer. */
export async function startIssuerServer(ingress: () => ProcessorIngress): Promise<IssuerServer> {
  const seen = new Set<string>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      void handle(request.url ?? '', Buffer.concat(chunks), request.headers).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      });
    });
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

  async function handle(url: string, raw: Buffer, headers: NodeJS.Dict<string | string[]>) {
    const now = new Date();
    const route = url === '/authorizations' ? 'authorizations' : 'events';
    const verdict = ingress().verify(raw, headers, now, route);
    if (verdict.kind === 'invalid') {
      issuer.refused.push(verdict.detail);
      return { status: 401, body: '{}' };
    }
    if (route === 'events') return takeEvents(raw, headers, now);
    issuer.asked.push(`${String(headers['webhook-id'])} ${raw.toString()}`);
    const interference = issuer.interfere?.(issuer.asked.length);
    if (interference) return interference;
    const found = ingress().toRequest(raw, headers, now);
    if (found.kind === 'malformed') return { status: found.reply.status, body: JSON.stringify(found.reply.body) };
    issuer.requests.push(found.request);
    const reply = ingress().toReply(await issuer.answer(found.request), found.request);
    return { status: reply.status, body: JSON.stringify(reply.body) };
  }

  function takeEvents(raw: Buffer, headers: NodeJS.Dict<string | string[]>, now: Date) {
    const found = ingress().toEvents(raw, headers, now);
    if (found.kind === 'malformed') return { status: 400, body: '{}' };
    issuer.deliveries.push(found.deliveryId);
    issuer.unknown.push(...found.unknown);
    for (const event of found.events) {
      issuer.delivered.push(event);
      if (seen.has(event.messageId)) continue;
      seen.add(event.messageId);
      issuer.events.push(event);
    }
    return { status: 200, body: '{}' };
  }

  const issuer: IssuerServer = {
    authorizationsUrl: `http://127.0.0.1:${port}/authorizations`,
    eventsUrl: `http://127.0.0.1:${port}/events`,
    requests: [],
    asked: [],
    events: [],
    delivered: [],
    deliveries: [],
    unknown: [],
    refused: [],
    answer: approve,
    interfere: null,
    reset() {
      for (const list of [
        issuer.requests,
        issuer.asked,
        issuer.events,
        issuer.delivered,
        issuer.deliveries,
        issuer.unknown,
        issuer.refused,
      ])
        list.length = 0;
      seen.clear();
      issuer.answer = approve;
      issuer.interfere = null;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return issuer;
}
