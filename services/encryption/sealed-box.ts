import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { invariant } from '../shared/assert';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM: version, nonce, ciphertext, tag. `context` says what the bytes are and where they belong (organization,
 * table.column, row); it is authenticated, so that a value copied to another place does not open there.
 */
export function seal(key: Buffer, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.from([VERSION]), nonce, body, cipher.getAuthTag()]);
}

/** Throws when the bytes or the context are not what was sealed. */
export function open(key: Buffer, sealed: Buffer, context: string): Buffer {
  invariant(sealed.length > NONCE_BYTES + TAG_BYTES && sealed[0] === VERSION, 'a sealed value has an unknown form');
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const body = sealed.subarray(1 + NONCE_BYTES, sealed.length - TAG_BYTES);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}
