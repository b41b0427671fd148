import { jsonOf } from '../../call-vendor';
import type { OffRampIngress } from '../port';
import { verifyWebhook, webhookPublicKey } from './signature';
import { eventWire } from './wire';

/** Reads Bridge's transfer events. Our endpoint subscribes to that category alone. */
export function createBridgeIngress(publicKey: string): OffRampIngress {
  const key = webhookPublicKey(publicKey);
  return {
    vendor: 'bridge',
    verify: (rawBody, headers, now) => verifyWebhook(rawBody, headers, key, now),
    toHint(rawBody) {
      const parsed = eventWire.safeParse(jsonOf(rawBody.toString('utf8')));
      if (!parsed.success) {
        return {
          kind: 'malformed',
          detail: `event lacks ${parsed.error.issues.map((issue) => issue.path.join('.') || 'JSON').join(', ')}`,
        };
      }
      const { event_id, event_type, event_object_id } = parsed.data;
      return { kind: 'hint', hint: { messageId: event_id, vendorOrderId: event_object_id, type: event_type } };
    },
  };
}
