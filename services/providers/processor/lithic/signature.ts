import { createHmac, timingSafeEqual } from 'node:crypto';
import { invariant } from '../../../shared/assert';
import type { IngressHeaders, SignatureVerdict } from '../port';

/** How far a message's timestamp may lie from our clock, either way. Standard Webhooks and Lithic's examples use five minutes. */
export const TIMESTAMP_TOLERANCE_S = 300;

/** Senders add one signature per active key during a rotation; more than this is not a rotation. */
const MAX_SIGNATURES = 8;
const MIN_KEY_BYTES = 24;
const SECRET_PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type VerifySignature = (rawBody: Buffer, headers: IngressHeaders, now: Date) => SignatureVerdict;

/**
 * A check of Standard Webhooks signatures (headers `webhook-id`, `webhook-timestamp`, `webhook-signature`; HMAC-SHA256 over
 * `id.timestamp.body`) against the raw bytes. `secrets` are `whsec_…`; several are valid at once while a key is rotated.
 * Throws at construction when a secret is not base64 of at least 24 bytes.
 */
export function createSignatureCheck(secrets: readonly string[]): VerifySignature {
  invariant(secrets.length > 0, 'a signature check needs at least one secret');
  const keys = secrets.map(decodeSecret);

  return (rawBody, headers, now) => {
    const id = headers['webhook-id'];
    const timestamp = headers['webhook-timestamp'];
    const signatures = headers['webhook-signature'];
    if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') {
      return invalid('webhook-id, webhook-timestamp and webhook-signature must each be present once');
    }
    if (!/^\d{1,12}$/.test(timestamp)) return invalid('webhook-timestamp is not a number of seconds');
    const age = Math.floor(now.getTime() / 1000) - Number.parseInt(timestamp, 10);
    if (age > TIMESTAMP_TOLERANCE_S) return invalid('webhook-timestamp is too old');
    if (age < -TIMESTAMP_TOLERANCE_S) return invalid('webhook-timestamp is in the future');

    const candidates = signatures.split(' ', MAX_SIGNATURES + 1);
    if (candidates.length > MAX_SIGNATURES) return invalid('webhook-signature lists too many signatures');
    for (const key of keys) {
      const expected = Buffer.from(
        `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(rawBody).digest('base64')}`,
        'latin1',
      );
      for (const candidate of candidates) {
        const given = Buffer.from(candidate, 'latin1');
        if (given.length === expected.length && timingSafeEqual(given, expected)) return { kind: 'valid' };
      }
    }
    return invalid('no signature matches');
  };
}

function decodeSecret(secret: string): Buffer {
  const text = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  invariant(BASE64.test(text), 'a webhook secret is not base64');
  const key = Buffer.from(text, 'base64');
  invariant(key.length >= MIN_KEY_BYTES, `a webhook secret has fewer than ${MIN_KEY_BYTES} bytes`);
  return key;
}

function invalid(detail: string): SignatureVerdict {
  return { kind: 'invalid', detail };
}
