import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** Headers of a JSON message that is signed as Standard Webhooks says, and as Lithic does; it is new and of now unless told otherwise. */
export function signedHeaders(
  secret: string,
  body: string,
  { id = `msg_${randomUUID()}`, at = new Date() }: { readonly id?: string; readonly at?: Date } = {},
) {
  return {
    'Content-Type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
}
