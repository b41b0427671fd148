import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';

/** A row of `receipt_keys`. */
export interface ReceiptKeyRow {
  readonly id: string;
  /** 32 bytes. */
  readonly public_key: Buffer;
  readonly created_at: Date;
  /** When another key took its place; what it signed stays valid. */
  readonly retired_at: Date | null;
}

/** A row of `receipt_batches`. */
export interface ReceiptBatchRow {
  readonly id: string;
  /** Canonical JSON. */
  readonly market: string;
  /** Leaf hashes, 32 bytes each, in order. */
  readonly leaves: Buffer;
  readonly root: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
  readonly created_at: Date;
}

/** Makes this the key in use: known from now on, and the only one that is not retired. */
export async function putKeyInUse(knex: Knex, id: string, publicKey: Buffer): Promise<void> {
  await knex.transaction(async (trx) => {
    // Processes that start at once, each with a key of its own, take turns.
    await trx.raw('LOCK TABLE receipt_keys IN SHARE ROW EXCLUSIVE MODE');
    await trx('receipt_keys').whereNot({ id }).whereNull('retired_at').update({ retired_at: trx.fn.now() });
    await trx('receipt_keys').insert({ id, public_key: publicKey }).onConflict('id').merge({ retired_at: null });
  });
}

export async function insertReceiptBatch(trx: Transaction, batch: Omit<ReceiptBatchRow, 'created_at'>): Promise<void> {
  await trx('receipt_batches').insert(batch);
}

/** Newest first. */
export async function findReceiptKeys(db: Knex | Transaction): Promise<readonly ReceiptKeyRow[]> {
  return db<ReceiptKeyRow>('receipt_keys').orderBy([{ column: 'created_at', order: 'desc' }, 'id']);
}

export async function findReceiptBatches(
  db: Knex | Transaction,
  ids: readonly string[],
): Promise<readonly ReceiptBatchRow[]> {
  return db<ReceiptBatchRow>('receipt_batches').whereIn('id', [...ids]);
}
