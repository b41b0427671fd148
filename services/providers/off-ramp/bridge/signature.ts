import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { IngressHeaders, SignatureVerdict } from '../../processor/port';

/** Bridge advises to disregard events older than some ten minutes; each attempt carries a new timestamp. */
const MAX_AGE_MS = 600_000;

const HEADER = /^t=(\d{1,16}),v0=((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;

/** The endpoint's public key: PEM, PEM with `\n` written out, or base64 of a PEM. Throws when it is none of these. */
export function webhookPublicKey(text: string): KeyObject {
  const pem = text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString('utf8');
  return createPublicKey(pem.replaceAll('\\n', '\n'));
}

/**
 * Verifies `X-Webhook-Signature: t=<milliseconds>,v0=<base64>` over the raw bytes: RSA with SHA-256 of the *SHA-256
 * digest* of `t.body`. The text is hashed twice; the sample that Bridge publishes verifies only that way. Source:
 * apidocs.bridge.xyz/platform/additional-information/webhooks/signature.
 */
export function verifyWebhook(rawBody: Buffer, headers: IngressHeaders, key: KeyObject, now: Date): SignatureVerdict {
  const header = headers['x-webhook-signature'];
  const match = typeof header === 'string' ? HEADER.exec(header) : null;
  if (match === null) return { kind: 'invalid', detail: 'x-webhook-signature is missing or malformed' };
  const [, timestamp = '', signature = ''] = match;
  if (Math.abs(now.getTime() - Number(timestamp)) > MAX_AGE_MS) {
    return { kind: 'invalid', detail: 'x-webhook-signature is older than ten minutes, or ahead of our clock' };
  }
  const digest = createHash('sha256').update(`${timestamp}.`).update(rawBody).digest();
  if (!verify('sha256', digest, key, Buffer.from(signature, 'base64'))) {
    return { kind: 'invalid', detail: 'x-webhook-signature does not match the body' };
  }
  return { kind: 'valid' };
}
