import { jsonOf } from '../../call-vendor';
import type { KycIngress } from '../port';
import { verifyWebhook } from './signature';
import { webhookWire } from './wire';

/** Reads Sumsub's webhooks. Every type names an applicant; which of them matter is the workflow's business. */
export function createSumsubIngress(webhookSecret: string): KycIngress {
  return {
    vendor: 'sumsub',
    verify: (rawBody, headers) => verifyWebhook(rawBody, headers, webhookSecret),
    toHint(rawBody) {
      const parsed = webhookWire.safeParse(jsonOf(rawBody.toString('utf8')));
      if (!parsed.success) {
        return {
          kind: 'malformed',
          detail: `webhook lacks ${parsed.error.issues.map((issue) => issue.path.join('.') || 'JSON').join(', ')}`,
        };
      }
      const { applicantId, externalUserId, correlationId, type } = parsed.data;
      return { kind: 'hint', hint: { messageId: `${type}:${correlationId}`, applicantId, externalUserId, type } };
    },
  };
}
