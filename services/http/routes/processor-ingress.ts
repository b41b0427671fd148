import type { IncomingMessage, ServerResponse } from 'node:http';
import type { InboxSource } from '../../inbox/inbox-source';
import type { ProcessMessageDeps } from '../../inbox/process-message';
import { receiveWebhook } from '../../inbox/receive-webhook';
import type {
  AuthorizationReply,
  AuthorizationRequest,
  ProcessorIngress,
  VendorHttpReply,
} from '../../providers/processor/port';
import type { Clock } from '../../shared/clock';
import type { Logger } from '../logging';
import type { HttpMetrics } from '../metrics';

/** Larger than any message of a vendor that we know. */
const BODY_LIMIT_BYTES = 256 * 1024;
const REFUSALS_LOGGED_EVERY_MS = 60_000;

export interface IngressDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HttpMetrics;
  readonly processor: ProcessorIngress;
  /** Decides and commits; never rejects in normal operation. */
  readonly authorize: (request: AuthorizationRequest) => Promise<AuthorizationReply>;
  /** The answer has left for the vendor. */
  readonly answered: (request: AuthorizationRequest) => void;
  readonly inbox: ProcessMessageDeps;
  /** Webhooks by their path: `/webhooks/<name>` and the processor's events. */
  readonly webhooks: Readonly<Record<string, InboxSource>>;
}

/**
 * The vendors' doors. They stand before the API and share nothing with its middleware: an authorization costs one read of
 * the raw body, a signature check on it, and the decision. Returns whether the request was for one of them.
 */
export function createIngress(deps: IngressDeps): (request: IncomingMessage, response: ServerResponse) => boolean {
  const noteRefusal = onceAMinute(deps);
  const authorizationPath = `/processors/${deps.processor.vendor}/authorizations`;

  return (request, response) => {
    const { url } = request;
    if (url === undefined || !(url.startsWith('/processors/') || url.startsWith('/webhooks/'))) return false;
    const source = Object.hasOwn(deps.webhooks, url) ? deps.webhooks[url] : undefined;
    if (url !== authorizationPath && source === undefined) return false;
    if (request.method !== 'POST') {
      send(response, { status: 405, body: { code: 'method_not_allowed' } }, { Allow: 'POST' });
      return true;
    }
    const work =
      source === undefined
        ? answerAuthorization(deps, noteRefusal, request, response)
        : takeWebhook(deps, noteRefusal, source, request, response);
    work.catch((error: unknown) => {
      deps.logger.error({ err: error, path: url }, 'ingress failed');
      if (!response.headersSent) send(response, { status: 500, body: { code: 'internal_error' } });
    });
    return true;
  };
}

async function answerAuthorization(
  deps: IngressDeps,
  noteRefusal: NoteRefusal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { processor, metrics } = deps;
  const started = process.hrtime.bigint();
  const receivedAt = deps.clock.now();
  const raw = await readRaw(request);
  if (raw === null) return refuseSize(response);
  const verdict = processor.verify(raw, request.headers, receivedAt, 'authorizations');
  if (verdict.kind === 'invalid') {
    noteRefusal(processor.vendor, 'authorizations', verdict.detail);
    return send(response, { status: 401, body: { code: 'signature_invalid' } });
  }
  const read = processor.toRequest(raw, request.headers, receivedAt);
  if (read.kind === 'malformed') {
    metrics.ingressMessages.inc({ vendor: processor.vendor, route: 'authorizations', outcome: 'malformed' });
    deps.logger.warn({ vendor: processor.vendor, detail: read.detail }, 'authorization request not understood');
    return send(response, read.reply);
  }
  const reply = await decide(deps, read.request);
  // Not `close`: a vendor that has hung up has heard nothing, and the hold is looked into.
  response.once('finish', () => deps.answered(read.request));
  send(response, processor.toReply(reply, read.request));
  metrics.ingressMessages.inc({ vendor: processor.vendor, route: 'authorizations', outcome: reply.outcome });
  metrics.authorizationSeconds.observe({ vendor: processor.vendor }, Number(process.hrtime.bigint() - started) / 1e9);
}

/** A surprise is still answered, as a decline: silence would leave the vendor to decide. */
async function decide(deps: IngressDeps, request: AuthorizationRequest): Promise<AuthorizationReply> {
  try {
    return await deps.authorize(request);
  } catch (error) {
    deps.logger.error({ err: error, message_id: request.messageId }, 'authorization failed');
    return {
      outcome: 'declined',
      approvedAmount: 0n,
      declineReason: 'internal_error',
      balance: null,
      authorizationId: null,
    };
  }
}

async function takeWebhook(
  deps: IngressDeps,
  noteRefusal: NoteRefusal,
  source: InboxSource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const raw = await readRaw(request);
  if (raw === null) return refuseSize(response);
  const received = await receiveWebhook(deps.inbox, source, { raw, headers: request.headers });
  const count = (outcome: string): void =>
    deps.metrics.ingressMessages.inc({ vendor: source.vendor, route: source.topic, outcome });
  switch (received.kind) {
    case 'invalid_signature':
      noteRefusal(source.vendor, source.topic, received.detail);
      return send(response, { status: 401, body: { code: 'signature_invalid' } });
    case 'duplicate':
      count('duplicate');
      return send(response, { status: 200, body: { received: true } });
    case 'stored':
      count(received.outcome.kind);
      if (received.outcome.kind !== 'processed') {
        deps.logger.warn(
          { vendor: source.vendor, topic: source.topic, outcome: received.outcome.kind },
          'webhook not processed',
        );
      }
      return send(response, { status: 200, body: { received: true } });
  }
}

/** The raw bytes, or null when there are more than any vendor sends. */
async function readRaw(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= BODY_LIMIT_BYTES) chunks.push(chunk);
    });
    request.on('end', () => {
      const [first] = chunks;
      // Nearly always one piece, which needs no copy.
      const whole = chunks.length === 1 && first ? first : Buffer.concat(chunks);
      resolve(length > BODY_LIMIT_BYTES ? null : whole);
    });
    request.on('error', reject);
    request.on('aborted', () => reject(new Error('the vendor hung up')));
  });
}

function refuseSize(response: ServerResponse): void {
  send(response, { status: 413, body: { code: 'payload_too_large' } });
}

function send(response: ServerResponse, reply: VendorHttpReply, headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(JSON.stringify(reply.body));
  response.writeHead(reply.status, { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers });
  response.end(body);
}

type NoteRefusal = (vendor: string, route: string, detail: string) => void;

/** Counts every bad signature, and logs the first of each minute: a flood of them costs nothing. */
function onceAMinute(deps: IngressDeps): NoteRefusal {
  const silentUntil = new Map<string, number>();
  return (vendor, route, detail) => {
    deps.metrics.ingressMessages.inc({ vendor, route, outcome: 'signature_invalid' });
    const key = `${vendor} ${route}`;
    const now = deps.clock.now().getTime();
    if (now < (silentUntil.get(key) ?? 0)) return;
    silentUntil.set(key, now + REFUSALS_LOGGED_EVERY_MS);
    deps.logger.warn({ vendor, route, detail }, 'bad signature refused; more of them stay silent for a minute');
  };
}
