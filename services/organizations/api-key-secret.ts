import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type OrganizationMode = 'test' | 'live';

/** Parts of `esk_<mode>_<key id>_<64 hex of secret><8 hex of checksum>`. */
export interface PresentedKey {
  readonly text: string;
  readonly mode: OrganizationMode;
  readonly keyId: string;
}

const FORM = /^(esk_(test|live)_([0-9a-f]{16})_[0-9a-f]{64})([0-9a-f]{8})$/;

/** A new key. The text is shown once; only its {@link hashApiKey} is stored. */
export function generateApiKey(mode: OrganizationMode): PresentedKey {
  const keyId = randomBytes(8).toString('hex');
  const body = `esk_${mode}_${keyId}_${randomBytes(32).toString('hex')}`;
  return { text: body + checksum(body), mode, keyId };
}

/** The parts of a key, or null when it cannot be one: the checksum finds a typing error without asking the database. */
export function readApiKey(text: string): PresentedKey | null {
  const match = FORM.exec(text);
  if (match === null) return null;
  const [, body, mode, keyId, given] = match;
  if (body === undefined || keyId === undefined || checksum(body) !== given) return null;
  return { text, mode: mode === 'live' ? 'live' : 'test', keyId };
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

/** HMAC-SHA256 of the key under the pepper: a stolen table is worth nothing without the pepper. */
export function hashApiKey(text: string, pepper: string): Buffer {
  return createHmac('sha256', pepper).update(text).digest();
}

/** Compares in constant time. Without a stored hash it spends the same time and says no. */
export function matchesApiKey(text: string, stored: Buffer | null, pepper: string): boolean {
  const presented = hashApiKey(text, pepper);
  const equal = timingSafeEqual(presented, stored ?? hashApiKey(`${text}.`, pepper));
  return equal && stored !== null;
}
