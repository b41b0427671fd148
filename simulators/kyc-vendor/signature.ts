import { createHmac, timingSafeEqual } from 'node:crypto';

const MAX_CLOCK_SKEW_S = 60;

export interface SignedRequest {
  readonly method: string;
  /** Path with query, as sent. */
  readonly uri: string;
  readonly body: Buffer;
  readonly token: string | undefined;
  readonly signature: string | undefined;
  readonly timestamp: string | undefined;
}

/**
 * Sumsub's request signature: HMAC-SHA256 in lower-case hex over timestamp + METHOD + path with query + body bytes;
 * the timestamp is in seconds and at most one minute off. Returns what is wrong, or null.
 */
export function requestSignatureProblem(
  request: SignedRequest,
  credentials: { readonly appToken: string; readonly secretKey: string },
  nowMs: number,
): string | null {
  if (request.token !== credentials.appToken) return 'App token is invalid';
  if (request.timestamp === undefined || !/^\d+$/.test(request.timestamp))
    return 'X-App-Access-Ts is missing or malformed';
  if (Math.abs(nowMs / 1000 - Number(request.timestamp)) > MAX_CLOCK_SKEW_S)
    return 'Request timestamp is too old or in the future';
  const expected = createHmac('sha256', credentials.secretKey)
    .update(`${request.timestamp}${request.method.toUpperCase()}${request.uri}`)
    .update(request.body)
    .digest();
  const given = Buffer.from(request.signature ?? '', 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'Request signature mismatch';
  return null;
}

/** Headers of a webhook: digest of the exact body with the webhook's own secret. */
export function webhookHeaders(body: string, secret: string): Record<string, string> {
  return {
    'x-payload-digest': createHmac('sha256', secret).update(body).digest('hex'),
    'x-payload-digest-alg': 'HMAC_SHA256_HEX',
  };
}
