import { verify } from 'node:crypto';
import { batchStatement } from './rules/batch-statement';
import { inclusionProof, merkleRoot, verifyInclusion } from './rules/merkle-tree';
import { sha256, sha256Hex } from './sha256';
import { keyIdOf, verifyingKey } from './signing-key';

/** A sealed batch with what is known of its key. */
export interface SealedBatch {
  readonly id: string;
  readonly market: string;
  readonly leaves: Buffer;
  readonly root: Buffer;
  readonly signature: Buffer;
  readonly keyId: string;
  /** 32 bytes; null when no key of this id is known. */
  readonly publicKey: Buffer | null;
}

/** What is wrong with a seal. */
export type SealProblem =
  | 'batch_missing'
  | 'key_unknown'
  | 'key_is_another'
  | 'root_is_another'
  | 'signature_invalid'
  | 'leaf_missing'
  | 'leaf_is_another'
  | 'market_is_another';

const LEAF_BYTES = 32;

/** The leaf hashes of a batch. */
export function leavesOf(batch: Pick<SealedBatch, 'leaves'>): readonly Buffer[] {
  const leaves: Buffer[] = [];
  for (let start = 0; start < batch.leaves.length; start += LEAF_BYTES) {
    leaves.push(batch.leaves.subarray(start, start + LEAF_BYTES));
  }
  return leaves;
}

/** The leaf hash of a receipt. */
export function leafOf(receipt: string): Buffer {
  return sha256(`\u0000${receipt}`);
}

/** The text that a batch's signature is over. */
export function statementOf(batch: SealedBatch): string {
  return batchStatement({
    keyId: batch.keyId,
    root: batch.root.toString('hex'),
    marketHash: sha256Hex(batch.market),
    count: batch.leaves.length / LEAF_BYTES,
  });
}

/** What all receipts of a batch share: its root is that of its leaves, and the key it names signed it. */
export function checkBatch(batch: SealedBatch): readonly SealProblem[] {
  const problems: SealProblem[] = [];
  if (!batch.root.equals(merkleRoot(sha256, leavesOf(batch)))) problems.push('root_is_another');
  if (batch.publicKey === null) return [...problems, 'key_unknown'];
  if (keyIdOf(batch.publicKey) !== batch.keyId) return [...problems, 'key_is_another'];
  const valid = verify(null, Buffer.from(statementOf(batch)), verifyingKey(batch.publicKey), batch.signature);
  return valid ? problems : [...problems, 'signature_invalid'];
}

/** What is a receipt's own: it is the leaf that it is said to be, and was decided on the batch's market. */
export function checkReceipt(
  batch: SealedBatch,
  index: number,
  receipt: string,
  marketHash: string,
): readonly SealProblem[] {
  const leaves = leavesOf(batch);
  const leaf = leaves[index];
  const problems: SealProblem[] = [];
  if (leaf === undefined) problems.push('leaf_missing');
  else if (!leaf.equals(leafOf(receipt))) problems.push('leaf_is_another');
  else if (
    !verifyInclusion(sha256, { leaf, index, count: leaves.length, proof: proofOf(batch, index), root: batch.root })
  )
    problems.push('root_is_another');
  if (sha256Hex(batch.market) !== marketHash) problems.push('market_is_another');
  return problems;
}

/** The neighbours that lead from a leaf of the batch to its root. */
export function proofOf(batch: SealedBatch, index: number): readonly Uint8Array[] {
  return inclusionProof(sha256, leavesOf(batch), index);
}
