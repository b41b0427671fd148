import { canonicalJson } from './canonical-json';

/** Keeps a signature over receipts from standing for anything else that the same key might sign. */
const DOMAIN = 'escudo.receipts.v1';

/**
 * What is signed of a batch, canonical JSON: the root over its receipts, the hash of the market that they were decided
 * on, how many there are and the key. Hashes are hex.
 */
export function batchStatement(batch: {
  readonly keyId: string;
  readonly root: string;
  readonly marketHash: string;
  readonly count: number;
}): string {
  return canonicalJson({
    count: batch.count,
    domain: DOMAIN,
    key: batch.keyId,
    market: batch.marketHash,
    root: batch.root,
  });
}
