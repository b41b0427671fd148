import { createHash } from 'node:crypto';
import type { IngressHeaders, ProcessorIngress, VendorHttpReply } from '../port';
import { hasPlausibleSign, toAsaResponse, toAuthorizationRequest, toCardEvents, VENDOR } from './mapping';
import { createSignatureCheck } from './signature';
import { type AsaResponse, asaRequestShape, eventEnvelope, transactionShape } from './wire';

const CARD_TRANSACTION_UPDATED = 'card_transaction.updated';

/** Declines in Lithic's words what could not be read: a 4xx would decline as well, but without saying so. */
const MALFORMED_REPLY: VendorHttpReply = { status: 200, body: { result: 'DO_NOT_HONOR' } satisfies AsaResponse };

/** Lithic's two webhooks, each with its own list of `whsec_…` secrets (the newest and, while rotating, the one before). */
export function createLithicIngress(config: {
  readonly asaSecrets: readonly string[];
  readonly eventSecrets: readonly string[];
}): ProcessorIngress {
  const checks = {
    authorizations: createSignatureCheck(config.asaSecrets),
    events: createSignatureCheck(config.eventSecrets),
  };

  return {
    vendor: VENDOR,

    verify: (rawBody, headers, now, route) => checks[route](rawBody, headers, now),

    toRequest(rawBody, headers, receivedAt) {
      const json = parseJson(rawBody);
      if (!json.ok) return { kind: 'malformed', detail: 'the body is not JSON', reply: MALFORMED_REPLY };
      const parsed = asaRequestShape.safeParse(json.value);
      if (!parsed.success) return { kind: 'malformed', detail: problem(parsed.error), reply: MALFORMED_REPLY };
      if (!hasPlausibleSign(parsed.data)) {
        return { kind: 'malformed', detail: 'an amount has the wrong sign for its status', reply: MALFORMED_REPLY };
      }
      return {
        kind: 'request',
        request: toAuthorizationRequest(parsed.data, messageId(headers), receivedAt, contentHash(rawBody)),
      };
    },

    toEvents(rawBody, headers) {
      const json = parseJson(rawBody);
      if (!json.ok) return { kind: 'malformed', detail: 'the body is not JSON' };
      const envelope = eventEnvelope.safeParse(json.value);
      if (!envelope.success) return { kind: 'malformed', detail: problem(envelope.error) };
      if (envelope.data.event_type !== CARD_TRANSACTION_UPDATED) {
        return {
          kind: 'events',
          deliveryId: messageId(headers),
          events: [],
          unknown: [
            {
              vendor: VENDOR,
              messageId: messageId(headers),
              detail: `event of type ${envelope.data.event_type.slice(0, 60)}`,
              contentHash: contentHash(rawBody),
            },
          ],
        };
      }
      const parsed = transactionShape.safeParse(json.value);
      if (!parsed.success) return { kind: 'malformed', detail: problem(parsed.error) };
      return { kind: 'events', deliveryId: messageId(headers), ...toCardEvents(parsed.data) };
    },

    toReply: (reply, request) => ({ status: 200, body: toAsaResponse(reply, request) }),
  };
}

function parseJson(rawBody: Buffer): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
  try {
    return { ok: true, value: JSON.parse(rawBody.toString('utf8')) };
  } catch {
    return { ok: false };
  }
}

function messageId(headers: IngressHeaders): string {
  const id = headers['webhook-id'];
  return typeof id === 'string' ? id : '';
}

function contentHash(rawBody: Buffer): string {
  return createHash('sha256').update(rawBody).digest('hex');
}

/** Names the first field that is wrong, never its value: values may be personal. */
function problem(error: {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}): string {
  const issue = error.issues[0];
  return issue === undefined
    ? 'the body has the wrong shape'
    : `${issue.path.map(String).join('.') || 'body'}: ${issue.message}`;
}
