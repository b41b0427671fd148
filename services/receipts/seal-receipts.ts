import { type KeyObject, sign } from 'node:crypto';
import { batchStatement } from './rules/batch-statement';
import { CanonicalWriter } from './rules/canonical-writer';
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

export interface ReceiptSealer {
  readonly keyId: string;
  /**
   * Seals the receipts of one batch, all decided on `market` (canonical JSON); each comes as its leaf's input ({@link leafInput},
   * {@link LeafWriter}). Synchronous: about 0,1 ms for a batch of 32, most of it the one signature.
   */
  seal(leafInputs: readonly Uint8Array[], market: string): SealedReceipts;
}

const LEAF_BYTES = 32;

/** What is hashed of a receipt: its UTF-8 behind the byte that makes it a leaf. */
export function leafInput(receipt: string): Buffer {
  return Buffer.from(String.fromCharCode(LEAF_PREFIX) + receipt);
}

/** The receipt in a leaf's input, UTF-8. */
export function receiptIn(input: Uint8Array): Uint8Array {
  return input.subarray(1);
}

/** Writes the receipts of one batch after another into the same memory. */
export class LeafWriter {
  private readonly out = new CanonicalWriter();

  /** The leaf inputs of receipts, written in turn by `write`: views that are true until the next call. */
  write<T>(receipts: readonly T[], write: (receipt: T, out: CanonicalWriter) => void): readonly Buffer[] {
    this.out.clear();
    const ends = receipts.map((receipt) => {
      this.out.byte(LEAF_PREFIX);
      write(receipt, this.out);
      return this.out.position;
    });
    return ends.map((end, index) => this.out.between(ends[index - 1] ?? 0, end));
  }
}

/** A sealer with one Ed25519 key. */
export function createReceiptSealer(key: { readonly keyId: string; readonly privateKey: KeyObject }): ReceiptSealer {
  const { keyId, privateKey } = key;
  return {
    keyId,
    seal(leafInputs, market) {
      const hashes = leafInputs.map(sha256);
      const root = Buffer.from(merkleRoot(sha256, hashes));
      const statement = batchStatement({
        keyId,
        root: root.toString('hex'),
        marketHash: sha256Hex(market),
        count: leafInputs.length,
      });
      return {
        leaves: Buffer.concat(hashes, hashes.length * LEAF_BYTES),
        root,
        signature: sign(null, Buffer.from(statement), privateKey),
        keyId,
      };
    },
  };
}
