import type { Transaction } from '../database/transaction';
import { findReceiptKeys } from './receipt.repository';
import type { ReceiptPublicKey } from './rules/public-key';
import { publicKeyJwk } from './signing-key';

/** A key that receipts were or are signed with. */
export interface ListedReceiptKey {
  readonly keyId: string;
  readonly jwk: ReceiptPublicKey;
  readonly createdAt: Date;
  readonly retiredAt: Date | null;
}

/** Every key there has been, newest first. */
export async function listReceiptKeys(trx: Transaction): Promise<readonly ListedReceiptKey[]> {
  const keys = await findReceiptKeys(trx);
  return keys.map((key) => ({
    keyId: key.id,
    jwk: publicKeyJwk(key.public_key),
    createdAt: key.created_at,
    retiredAt: key.retired_at,
  }));
}
