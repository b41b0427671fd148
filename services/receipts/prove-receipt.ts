import type { Transaction } from '../database/transaction';
import {
  checkBatch,
  checkReceipt,
  leafOf,
  leavesOf,
  proofOf,
  type SealedBatch,
  type SealProblem,
  statementOf,
} from './check-seal';
import { findSealedBatches } from './find-sealed-batches';
import type { ReceiptPublicKey } from './rules/public-key';
import { publicKeyJwk } from './signing-key';

/** Everything that it takes to verify a receipt without us. Hashes are hex, the signature is base64url. */
export interface ReceiptProof {
  readonly batchId: string;
  readonly leafIndex: number;
  readonly leafCount: number;
  readonly leaf: string;
  readonly proof: readonly string[];
  readonly root: string;
  /** The text that is signed. */
  readonly statement: string;
  readonly signature: string;
  readonly keyId: string;
  /** Null when no key of this id is known. */
  readonly publicKey: ReceiptPublicKey | null;
  readonly market: string;
}

/** `unsealed`: recorded without a batch. `broken`: some of it does not fit; `problems` name what. */
export interface ReceiptVerdict {
  readonly state: 'verified' | 'unsealed' | 'broken';
  readonly problems: readonly SealProblem[];
  readonly proof: ReceiptProof | null;
}

/** Where a receipt stands: its batch, and its leaf there. */
export interface ReceiptPlace {
  readonly batchId: string | null;
  readonly ordinal: number | null;
}

/** Verifies a receipt against its sealed batch and says how anybody else can. */
export async function proveReceipt(
  trx: Transaction,
  receipt: { readonly text: string; readonly marketHash: string },
  place: ReceiptPlace,
): Promise<ReceiptVerdict> {
  if (place.batchId === null || place.ordinal === null) return { state: 'unsealed', problems: [], proof: null };
  const batch = (await findSealedBatches(trx, [place.batchId])).get(place.batchId);
  if (batch === undefined) return { state: 'broken', problems: ['batch_missing'], proof: null };
  const problems = [
    ...new Set([...checkBatch(batch), ...checkReceipt(batch, place.ordinal, receipt.text, receipt.marketHash)]),
  ];
  return {
    state: problems.length === 0 ? 'verified' : 'broken',
    problems,
    proof: problems.includes('leaf_missing') ? null : toProof(batch, place.ordinal, receipt.text),
  };
}

function toProof(batch: SealedBatch, index: number, receipt: string): ReceiptProof {
  return {
    batchId: batch.id,
    leafIndex: index,
    leafCount: leavesOf(batch).length,
    leaf: leafOf(receipt).toString('hex'),
    proof: proofOf(batch, index).map((hash) => Buffer.from(hash).toString('hex')),
    root: batch.root.toString('hex'),
    statement: statementOf(batch),
    signature: batch.signature.toString('base64url'),
    keyId: batch.keyId,
    publicKey: batch.publicKey && publicKeyJwk(batch.publicKey),
    market: batch.market,
  };
}
