import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { invariant } from '../shared/assert';

const ENCODING = 'binary/encrypted';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const { Payload: PayloadMessage } = temporal.api.common.v1;

/**
 * Encrypts every payload that leaves for Temporal: inputs, results, signals, queries and failure details. AES-256-GCM;
 * the key's id stands in the metadata and is authenticated with it, so that keys can be rotated: `keys[0]` encrypts, all
 * of them decrypt. Workflow ids, types and search attributes are not payloads and stay readable.
 */
export function createPayloadCodec(keys: readonly [Buffer, ...Buffer[]]): PayloadCodec {
  for (const key of keys) invariant(key.length === 32, 'a codec key has 32 bytes');
  const byId = new Map(keys.map((key) => [keyId(key), key]));
  const current = keys[0];
  return {
    encode: async (payloads) => payloads.map((payload) => encrypt(payload, current)),
    decode: async (payloads) => payloads.map((payload) => decrypt(payload, byId)),
  };
}

function encrypt(payload: Payload, key: Buffer): Payload {
  const id = keyId(key);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(authenticated(id));
  const body = Buffer.concat([cipher.update(PayloadMessage.encode(payload).finish()), cipher.final()]);
  return {
    metadata: { encoding: Buffer.from(ENCODING), 'encryption-key-id': Buffer.from(id) },
    data: Buffer.concat([nonce, body, cipher.getAuthTag()]),
  };
}

function decrypt(payload: Payload, byId: ReadonlyMap<string, Buffer>): Payload {
  if (text(payload.metadata?.encoding) !== ENCODING) return payload;
  const id = text(payload.metadata?.['encryption-key-id']);
  const key = byId.get(id);
  invariant(key !== undefined, `no codec key with id ${id}`);
  const data = Buffer.from(payload.data ?? []);
  invariant(data.length >= NONCE_BYTES + TAG_BYTES, 'an encrypted payload is too short');
  const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(authenticated(id));
  decipher.setAuthTag(data.subarray(data.length - TAG_BYTES));
  const body = Buffer.concat([decipher.update(data.subarray(NONCE_BYTES, data.length - TAG_BYTES)), decipher.final()]);
  return PayloadMessage.decode(body);
}

/** Says which key it was without saying anything about it. */
function keyId(key: Buffer): string {
  return createHash('sha256').update('escudo payload key').update(key).digest('hex').slice(0, 16);
}

function authenticated(id: string): Buffer {
  return Buffer.from(`${ENCODING}\n${id}`);
}

function text(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes).toString('utf8') : '';
}
