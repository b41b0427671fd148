import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A PEM key as it is, with `\n` written out, or wrapped in base64. */
export function decodePem(text: string): string {
  const plain = text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString('utf8');
  return plain.replaceAll('\\n', '\n');
}

export function privateKeyOf(pem: string): KeyObject {
  return createPrivateKey(decodePem(pem));
}

/** A key that nobody trusts, for webhooks that must be refused. */
export function strangersKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

/**
 * Bridge's webhook header. The signature is RSA with SHA-256 over the *digest* of `timestamp.body`, so the text is
 * hashed twice; the timestamp is in milliseconds and new for each attempt.
 */
export function webhookHeaders(body: string, key: KeyObject, nowMs: number): Record<string, string> {
  const digest = createHash('sha256').update(`${nowMs}.${body}`).digest();
  return { 'x-webhook-signature': `t=${nowMs},v0=${sign('sha256', digest, key).toString('base64')}` };
}
