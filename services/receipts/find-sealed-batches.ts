import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { SealedBatch } from './check-seal';
import { findReceiptBatches, findReceiptKeys } from './receipt.repository';

/** Sealed batches by id, each with the key that it names. Batches that are not there are left out. */
export async function findSealedBatches(
  db: Knex | Transaction,
  ids: readonly string[],
): Promise<ReadonlyMap<string, SealedBatch>> {
  if (ids.length === 0) return new Map();
  const [keys, batches] = [await findReceiptKeys(db), await findReceiptBatches(db, ids)];
  const keyById = new Map(keys.map((key) => [key.id, key.public_key]));
  return new Map(
    batches.map((batch) => [
      batch.id,
      {
        id: batch.id,
        market: batch.market,
        leaves: batch.leaves,
        root: batch.root,
        signature: batch.signature,
        keyId: batch.key_id,
        publicKey: keyById.get(batch.key_id) ?? null,
      },
    ]),
  );
}
