import { createHash } from 'node:crypto';
import type { IngressHeaders } from '../providers/processor/port';
import { required } from '../shared/assert';
import { findInboxMessage, insertInboxMessage } from './inbox.repository';
import type { InboxSource } from './inbox-source';
import { type ProcessMessageDeps, type ProcessOutcome, processMessage } from './process-message';

export type ReceiveOutcome =
  | { readonly kind: 'invalid_signature'; readonly detail: string }
  /** The same message was dealt with before. */
  | { readonly kind: 'duplicate' }
  /** Stored, so the vendor need not send it again, whatever came of acting on it. */
  | { readonly kind: 'stored'; readonly outcome: ProcessOutcome };

/** Our own processing has this long before the sweeper takes a message up. */
const LEASE_MS = 30_000;
/** Headers that carry nothing a signature covers, but could carry a secret. */
const NOT_STORED = new Set(['authorization', 'cookie']);

/**
 * Takes a signed webhook in: verified on its raw bytes, stored, and only then acted on. Answer 401 to
 * `invalid_signature` and 2xx to everything else: what is stored is ours to finish.
 */
export async function receiveWebhook(
  deps: ProcessMessageDeps,
  source: InboxSource,
  request: { readonly raw: Buffer; readonly headers: IngressHeaders },
): Promise<ReceiveOutcome> {
  const receivedAt = deps.clock.now();
  const verdict = source.verify(request.raw, request.headers, receivedAt);
  if (verdict.kind === 'invalid') return { kind: 'invalid_signature', detail: verdict.detail };

  const contentHash = createHash('sha256').update(request.raw).digest('hex');
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !NOT_STORED.has(name)));
  const message = { raw: request.raw, headers, receivedAt };
  const messageId = source.messageId(message) ?? `sha256:${contentHash}`;
  const key = { vendor: source.vendor, message_id: messageId };
  const isNew = await insertInboxMessage(deps.knex, {
    ...key,
    content_hash: contentHash,
    topic: source.topic,
    headers,
    raw: request.raw,
    received_at: receivedAt,
    next_attempt_at: new Date(receivedAt.getTime() + LEASE_MS),
  });
  if (isNew) {
    const row = { ...key, raw: request.raw, headers, received_at: receivedAt, attempts: 0 };
    return { kind: 'stored', outcome: await processMessage(deps, source, row) };
  }

  const known = required(await findInboxMessage(deps.knex, source.vendor, messageId), `message ${messageId}`);
  if (known.content_hash !== contentHash) {
    return {
      kind: 'stored',
      outcome: { kind: 'conflict', detail: `message ${messageId} came before with other content` },
    };
  }
  // A repetition of a message that has not been dealt with yet is a good moment to do so.
  if (known.state === 'received') return { kind: 'stored', outcome: await processMessage(deps, source, known) };
  return { kind: 'duplicate' };
}
