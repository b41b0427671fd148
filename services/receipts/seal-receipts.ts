import { type KeyObject, sign } from 'node:crypto';
import { batchStatement } from './rules/batch-statement';
import { LEAF_PREFIX, merkleRoot } from './rules/merkle-tree';
import { sha256, sha256Hex } from './sha256';

/** A sealed batch, as `receipt_batches` stores it. */
export interface SealedReceipts {
  /** RFC 6962 leaf hashes of the receipts, 32 bytes each, in order. */
  readonly leaves: Buffer;
  readonly root: Buffer;
  /** Ed25519 over the batch's statement (rules/batch-statement.ts). */
  readonly signature: Buffer;
  readonly keyId: string;
}

/** A seal, with the receipts as the bytes that it is on. */
interface SealedBytes extends SealedReceipts {
  /** Each receipt in UTF-8. */
  readonly receipts: readonly Uint8Array[];
}

export interface ReceiptSealer {
  readonly keyId: string;
  /**
   * Seals the canonical receipts of one batch, all decided on `market` (canonical JSON). Synchronous: about 0,1 ms for a
   * batch of 32, most of it the one signature.
   */
  seal(receipts: readonly string[], market: string): SealedBytes;
}

const LEAF_BYTES = 32;

/** The receipts in UTF-8, each behind the byte that makes it a leaf: they are encoded once, to be hashed and to be stored. */
function leafInputs(receipts: readonly string[]): readonly Buffer[] {
  const lengths = receipts.map((receipt) => Buffer.byteLength(receipt) + 1);
  const slab = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0));
  let start = 0;
  return receipts.map((receipt, index) => {
    const end = start + (lengths[index] ?? 0);
    const input = slab.subarray(start, end);
    input[0] = LEAF_PREFIX;
    input.write(receipt, 1);
    start = end;
    return input;
  });
}

/** A sealer with one Ed25519 key. */
export function createReceiptSealer(key: { readonly keyId: string; readonly privateKey: KeyObject }): ReceiptSealer {
  const { keyId, privateKey } = key;
  return {
    keyId,
    seal(receipts, market) {
      const inputs = leafInputs(receipts);
      const hashes = inputs.map(sha256);
      const root = Buffer.from(merkleRoot(sha256, hashes));
      const statement = batchStatement({
        keyId,
        root: root.toString('hex'),
        marketHash: sha256Hex(market),
        count: receipts.length,
      });
      return {
        receipts: inputs.map((input) => input.subarray(1)),
        leaves: Buffer.concat(hashes, hashes.length * LEAF_BYTES),
        root,
        signature: sign(null, Buffer.from(statement), privateKey),
        keyId,
      };
    },
  };
}
