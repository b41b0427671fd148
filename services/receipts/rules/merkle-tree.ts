/**
 * Merkle trees as certificate logs use them (RFC 6962 §2.1): a leaf is H(0x00 ‖ data), a node H(0x01 ‖ left ‖ right), so
 * that no node can be passed off as a leaf. A tree of n leaves splits at the largest power of two below n.
 */

/** A hash of 32 bytes; SHA-256 here. Handed in, because rules do no cryptography of their own. */
export type Hash = (data: Uint8Array) => Uint8Array;

/** Stands before the data of a leaf when it is hashed. */
export const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;
const HASH_BYTES = 32;

/** The hash of a leaf. */
export function leafHash(hash: Hash, data: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(data.length + 1);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(data, 1);
  return hash(prefixed);
}

function nodeHash(hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(1 + 2 * HASH_BYTES);
  prefixed[0] = NODE_PREFIX;
  prefixed.set(left, 1);
  prefixed.set(right, 1 + HASH_BYTES);
  return hash(prefixed);
}

/** One level up. A node without a neighbour rises as it is: the same tree as splitting at powers of two. */
function parents(hash: Hash, level: readonly Uint8Array[]): readonly Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let index = 0; index < level.length; index += 2) {
    const left = level[index] as Uint8Array;
    const right = level[index + 1];
    above.push(right ? nodeHash(hash, left, right) : left);
  }
  return above;
}

/** The root over leaf hashes; of none, the hash of nothing. */
export function merkleRoot(hash: Hash, leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves;
  while (level.length > 1) level = parents(hash, level);
  return level[0] ?? hash(new Uint8Array(0));
}

/** The neighbours that lead from leaf `index` to the root, from the bottom up. Throws RangeError outside the tree. */
export function inclusionProof(hash: Hash, leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new RangeError(`leaf ${index} of a tree of ${leaves.length}`);
  }
  const proof: Uint8Array[] = [];
  let level = leaves;
  let position = index;
  while (level.length > 1) {
    const neighbour = level[position ^ 1];
    if (neighbour) proof.push(neighbour);
    level = parents(hash, level);
    position >>= 1;
  }
  return proof;
}

/** Whether `proof` leads from the leaf hash at `index` of `count` leaves to `root` (RFC 9162 §2.1.3.2). */
export function verifyInclusion(
  hash: Hash,
  input: {
    readonly leaf: Uint8Array;
    readonly index: number;
    readonly count: number;
    readonly proof: readonly Uint8Array[];
    readonly root: Uint8Array;
  },
): boolean {
  const { index, count, proof } = input;
  if (!Number.isInteger(index) || index < 0 || index >= count) return false;
  let position = index;
  let width = count;
  let node = input.leaf;
  let used = 0;
  while (width > 1) {
    const hasNeighbour = (position ^ 1) < width;
    if (hasNeighbour) {
      const neighbour = proof[used];
      if (!neighbour || neighbour.length !== HASH_BYTES) return false;
      used += 1;
      node = position % 2 === 1 ? nodeHash(hash, neighbour, node) : nodeHash(hash, node, neighbour);
    }
    position >>= 1;
    width = Math.ceil(width / 2);
  }
  return used === proof.length && sameBytes(node, input.root);
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
