import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { inclusionProof, leafHash, merkleRoot, verifyInclusion } from '../../../services/receipts/rules/merkle-tree';

function sha256(data: Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function leavesOf(data: readonly string[]): Uint8Array[] {
  return data.map((each) => leafHash(sha256, Buffer.from(each, 'hex')));
}

function numbered(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => leafHash(sha256, Buffer.from(`receipt ${index}`)));
}

/** The definition of RFC 6962 §2.1, word by word: split at the largest power of two below n. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (leaves.length === 1 && only) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(
    Buffer.concat([Buffer.from([1]), rootByDefinition(leaves.slice(0, split)), rootByDefinition(leaves.slice(split))]),
  );
}

describe('known trees', () => {
  // The inputs and roots that the reference implementation of certificate transparency tests itself with.
  const data = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  test.each([
    [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
    [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
    [4, 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
    [5, '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
    [6, '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
    [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
  ])('of %i leaves', (count, root) => {
    expect(hex(merkleRoot(sha256, leavesOf(data.slice(0, count))))).toBe(root);
  });

  test('of none', () => {
    expect(hex(merkleRoot(sha256, []))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });
});

describe('every size up to 130', () => {
  test('the root is that of the definition, and every leaf proves', () => {
    for (let count = 1; count <= 130; count += 1) {
      const leaves = numbered(count);
      const root = merkleRoot(sha256, leaves);
      expect(hex(root)).toBe(hex(rootByDefinition(leaves)));
      for (const [index, leaf] of leaves.entries()) {
        const proof = inclusionProof(sha256, leaves, index);
        expect(verifyInclusion(sha256, { leaf, index, count, proof, root })).toBe(true);
      }
    }
  });
});

describe('what does not prove', () => {
  const cases = fc
    .integer({ min: 2, max: 130 })
    .chain((count) =>
      fc.record({ count: fc.constant(count), index: fc.nat(count - 1), byte: fc.nat(31), bit: fc.nat(7) }),
    );

  test('a changed leaf, proof, root or place', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ count, index, byte, bit }, pick) => {
        const leaves = numbered(count);
        const root = merkleRoot(sha256, leaves);
        const proof = inclusionProof(sha256, leaves, index);
        const leaf = leaves[index] as Uint8Array;
        const flipped = (bytes: Uint8Array): Uint8Array =>
          bytes.map((each, place) => (place === byte ? each ^ (1 << bit) : each));
        const at = pick % proof.length;
        const changed = proof.map((each, place) => (place === at ? flipped(each) : each));

        expect(verifyInclusion(sha256, { leaf: flipped(leaf), index, count, proof, root })).toBe(false);
        expect(verifyInclusion(sha256, { leaf, index, count, proof: changed, root })).toBe(false);
        expect(verifyInclusion(sha256, { leaf, index, count, proof, root: flipped(root) })).toBe(false);
        expect(verifyInclusion(sha256, { leaf, index, count, proof: proof.slice(1), root })).toBe(false);
        expect(verifyInclusion(sha256, { leaf, index, count, proof: [...proof, root], root })).toBe(false);
        const elsewhere = (index + 1 + (pick % (count - 1))) % count;
        expect(verifyInclusion(sha256, { leaf, index: elsewhere, count, proof, root })).toBe(false);
        expect(verifyInclusion(sha256, { leaf, index: count, count, proof, root })).toBe(false);
      }),
    );
  });

  test('a node passed off as a leaf', () => {
    const leaves = numbered(4);
    const root = merkleRoot(sha256, leaves);
    const left = merkleRoot(sha256, leaves.slice(0, 2));
    const right = merkleRoot(sha256, leaves.slice(2));
    const forged = leafHash(sha256, Buffer.concat([left, right]));
    expect(verifyInclusion(sha256, { leaf: forged, index: 0, count: 1, proof: [], root })).toBe(false);
  });

  test('a leaf outside the tree has no proof', () => {
    expect(() => inclusionProof(sha256, numbered(3), 3)).toThrow(RangeError);
    expect(() => inclusionProof(sha256, numbered(3), -1)).toThrow(RangeError);
  });
});
