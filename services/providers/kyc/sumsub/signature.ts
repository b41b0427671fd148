import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IngressHeaders, SignatureVerdict } from '../../processor/port';

/** Digest algorithms that Sumsub offers for webhooks and that we accept (SHA-1 is offered too, and refused). */
const DIGESTS: Readonly<Record<string, 'sha256' | 'sha512'>> = { HMAC_SHA256_HEX: 'sha256', HMAC_SHA512_HEX: 'sha512' };

/**
 * Headers that authenticate a request: HMAC-SHA256, lower-case hex, over seconds + METHOD + path with query + the exact
 * body bytes. Source: docs.sumsub.com/reference/authentication.
 */
export function signedHeaders(
  request: { readonly method: string; readonly uri: string; readonly body: Uint8Array },
  credentials: { readonly appToken: string; readonly secretKey: string },
  now: Date,
): Record<string, string> {
  const timestamp = Math.floor(now.getTime() / 1000).toString();
  const signature = createHmac('sha256', credentials.secretKey)
    .update(`${timestamp}${request.method.toUpperCase()}${request.uri}`)
    .update(request.body)
    .digest('hex');
  return { 'X-App-Token': credentials.appToken, 'X-App-Access-Ts': timestamp, 'X-App-Access-Sig': signature };
}

function single(headers: IngressHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
}

/**
 * Verifies a webhook's digest over its raw bytes. The header carries no time: the vendor sends the same bytes again for
 * up to a day, so age is no sign of fraud, and a replayed webhook is only a hint to fetch the applicant again.
 */
export function verifyWebhook(rawBody: Buffer, headers: IngressHeaders, secret: string): SignatureVerdict {
  const algorithm = DIGESTS[single(headers, 'x-payload-digest-alg') ?? ''];
  if (algorithm === undefined) return { kind: 'invalid', detail: 'x-payload-digest-alg is missing or not accepted' };
  const digest = single(headers, 'x-payload-digest');
  if (digest === null || !/^[0-9a-f]+$/.test(digest))
    return { kind: 'invalid', detail: 'x-payload-digest is missing or malformed' };
  const given = Buffer.from(digest, 'hex');
  const expected = createHmac(algorithm, secret).update(rawBody).digest();
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return { kind: 'invalid', detail: 'x-payload-digest does not match the body' };
  }
  return { kind: 'valid' };
}
