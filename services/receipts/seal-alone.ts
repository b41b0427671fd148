import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { insertReceiptBatch } from './receipt.repository';
import { leafInput, type ReceiptSealer } from './seal-receipts';

/** Seals one receipt as a batch of its own: its only leaf is its root. Returns the batch's id. */
export async function sealAlone(
  trx: Transaction,
  sealer: ReceiptSealer,
  receipt: string,
  market: string,
): Promise<string> {
  const { leaves, root, signature, keyId } = sealer.seal([leafInput(receipt)], market);
  const id = newId();
  await insertReceiptBatch(trx, { id, market, leaves, root, signature, key_id: keyId });
  return id;
}
