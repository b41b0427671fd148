/**
 * `npm run verify-receipt -- receipt.json [keys.json]`: verifies the answer of GET /v1/authorizations/{id}/receipt offline.
 * It stands alone, with nothing but Node's own cryptography, so that whoever doubts us can read all of it.
 * keys.json is the answer of GET /v1/receipt-keys, had at another time or from somebody else; without it, the key is only as
 * good as the file that carries it. Ends with 0 when everything fits, 1 when not, 2 when it cannot read what it was given.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const hex = (text) => Buffer.from(text, 'hex');

/** RFC 6962: from the leaf to the root, with the neighbours of the proof. */
function rootFrom(leaf, index, count, proof) {
  let node = leaf;
  let [position, width] = [index, count];
  const neighbours = [...proof];
  while (width > 1) {
    // The last node of a level may have no neighbour: it rises as it is.
    if ((position ^ 1) < width) {
      const neighbour = hex(neighbours.shift() ?? '');
      node = position % 2 === 1 ? sha256('\x01', neighbour, node) : sha256('\x01', node, neighbour);
    }
    [position, width] = [position >> 1, Math.ceil(width / 2)];
  }
  return neighbours.length === 0 ? node : Buffer.alloc(0);
}

/** RFC 7638: the hash of the key's own members names it. */
function thumbprint({ crv, kty, x }) {
  return sha256(JSON.stringify({ crv, kty, x })).toString('base64url');
}

function* checks(answer, keys) {
  const { receipt, market, proof } = answer;
  if (!proof) throw new Error('this receipt was recorded without a signed batch: there is nothing to verify');
  const leaf = sha256('\x00', receipt);
  yield ['the leaf is the hash of the receipt', leaf.toString('hex') === proof.leaf];
  const root = rootFrom(leaf, proof.leaf_index, proof.leaf_count, proof.proof);
  yield ['the proof leads from the leaf to the root', root.toString('hex') === proof.root];
  const marketHash = sha256(market).toString('hex');
  yield ['the receipt names the prices of its batch', JSON.parse(receipt).market === marketHash];
  const listed = keys?.find((key) => key.kid === proof.key_id);
  if (keys) yield ['the key is among those published', listed !== undefined];
  const { kty, crv, x } = listed ?? proof.public_key ?? {};
  yield ['the key is the one that the batch names', thumbprint({ crv, kty, x }) === proof.key_id];
  const statement = JSON.stringify({
    count: proof.leaf_count,
    domain: 'escudo.receipts.v1',
    key: proof.key_id,
    market: marketHash,
    root: proof.root,
  });
  const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' });
  const signed = verify(null, Buffer.from(statement), key, Buffer.from(proof.signature, 'base64url'));
  yield ['the key signed root, prices and number of receipts', signed];
}

/** Whoever forges a receipt brings a key along: only a list of keys from elsewhere makes it more than consistent. */
function verdict(fits, keysGiven) {
  if (!fits) return 'the receipt is NOT genuine';
  if (keysGiven) return 'the receipt is genuine';
  return 'the receipt fits the key that it carries; whose key that is shows only with a keys.json from GET /v1/receipt-keys';
}

const [file, keysFile] = process.argv.slice(2);
try {
  if (!file) throw new Error('usage: npm run verify-receipt -- receipt.json [keys.json]');
  const answer = JSON.parse(readFileSync(file, 'utf8'));
  const keys = keysFile ? JSON.parse(readFileSync(keysFile, 'utf8')).keys : null;
  process.exitCode = 0;
  for (const [what, holds] of checks(answer, keys)) {
    process.stdout.write(`${holds ? 'ok    ' : 'FAILED'}  ${what}\n`);
    if (!holds) process.exitCode = 1;
  }
  process.stdout.write(`${verdict(process.exitCode === 0, keys !== null)}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
