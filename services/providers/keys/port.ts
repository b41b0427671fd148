/** Wraps data keys under a key that never leaves the provider (a KMS; in development a key from the configuration). */
export interface KeyProvider {
  readonly kind: 'local' | 'kms';
  /** Encrypts a 32-byte data key. */
  wrap(dataKey: Buffer): Promise<Buffer>;
  /** Throws when `wrapped` was changed or wrapped elsewhere. */
  unwrap(wrapped: Buffer): Promise<Buffer>;
  /** Keyed hash by which encrypted text can be searched for. The same text gives the same 32 bytes. */
  blindIndex(purpose: string, text: string): Promise<Buffer>;
}
