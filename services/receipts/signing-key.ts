import { createPublicKey, type KeyObject } from 'node:crypto';
import { required } from '../shared/assert';
import { type ReceiptPublicKey, thumbprintText } from './rules/public-key';
import { sha256 } from './sha256';

/** The key that receipts are signed with. Its id is the thumbprint of its public half (RFC 7638), so it names itself. */
export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

/** The id of a public key of 32 bytes. */
export function keyIdOf(publicKey: Buffer): string {
  return sha256(thumbprintText(publicKeyJwk(publicKey))).toString('base64url');
}

export function publicKeyJwk(publicKey: Buffer): ReceiptPublicKey {
  return { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') };
}

/** A public key of 32 bytes for verifying with. */
export function verifyingKey(publicKey: Buffer): KeyObject {
  return createPublicKey({ key: { ...publicKeyJwk(publicKey) }, format: 'jwk' });
}

/** Derives id and public half of an Ed25519 private key. */
export function signingKeyOf(privateKey: KeyObject): SigningKey {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicKey = Buffer.from(required(x, 'public half of the receipt key'), 'base64url');
  return { keyId: keyIdOf(publicKey), privateKey, publicKey };
}
