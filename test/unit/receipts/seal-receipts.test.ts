import { createHash, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { checkBatch, checkReceipt, type SealedBatch } from '../../../services/receipts/check-seal';
import { createReceiptSealer, leafInput } from '../../../services/receipts/seal-receipts';
import { keyIdOf, signingKeyOf } from '../../../services/receipts/signing-key';

const key = signingKeyOf(generateKeyPairSync('ed25519').privateKey);
const sealer = createReceiptSealer(key);
const MARKET = '{"decimals":{},"prices":{}}';
const MARKET_HASH = createHash('sha256').update(MARKET).digest('hex');

function sealed(receipts: readonly string[], market = MARKET): SealedBatch {
  return { id: 'batch', market, ...sealer.seal(receipts.map(leafInput), market), publicKey: key.publicKey };
}

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at % bytes.length] = (changed[at % bytes.length] ?? 0) ^ 1;
  return changed;
}

test('the id of a key is its RFC 7638 thumbprint, as RFC 8037 computes it', () => {
  const publicKey = Buffer.from('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', 'base64url');
  expect(keyIdOf(publicKey)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
});

test('every receipt of every batch verifies', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 70 }), (receipts) => {
      const batch = sealed(receipts);
      expect(checkBatch(batch)).toEqual([]);
      for (const [index, receipt] of receipts.entries()) {
        expect(checkReceipt(batch, index, receipt, MARKET_HASH)).toEqual([]);
      }
    }),
    { numRuns: 25 },
  );
});

describe('what was changed is named', () => {
  const receipts = ['{"a":1}', '{"a":2}', '{"a":3}'];
  const batch = sealed(receipts);

  test('a receipt', () => {
    expect(checkReceipt(batch, 1, '{"a":4}', MARKET_HASH)).toEqual(['leaf_is_another']);
    expect(checkReceipt(batch, 0, '{"a":2}', MARKET_HASH)).toEqual(['leaf_is_another']);
    expect(checkReceipt(batch, 3, '{"a":3}', MARKET_HASH)).toEqual(['leaf_missing']);
  });

  test('a receipt with its leaf', () => {
    const forged = sealed(['{"a":1}', '{"a":4}', '{"a":3}']);
    const mixed = { ...batch, leaves: forged.leaves };
    expect(checkBatch(mixed)).toEqual(['root_is_another']);
    expect(checkReceipt(mixed, 1, '{"a":4}', MARKET_HASH)).toEqual(['root_is_another']);
    expect(checkBatch({ ...mixed, root: forged.root })).toEqual(['signature_invalid']);
  });

  test('the market', () => {
    const changed = { ...batch, market: '{}' };
    expect(checkBatch(changed)).toEqual(['signature_invalid']);
    expect(checkReceipt(changed, 0, '{"a":1}', MARKET_HASH)).toEqual(['market_is_another']);
  });

  test('the signature', () => {
    for (const at of [0, 31, 32, 63]) {
      expect(checkBatch({ ...batch, signature: flip(batch.signature, at) })).toEqual(['signature_invalid']);
    }
  });

  test('the number of receipts', () => {
    const first = sealed(['{"a":1}']);
    const doubled = { ...first, leaves: Buffer.concat([first.leaves, first.leaves]) };
    expect(checkBatch(doubled)).toEqual(['root_is_another', 'signature_invalid']);
  });

  test('the key', () => {
    const other = signingKeyOf(generateKeyPairSync('ed25519').privateKey);
    expect(checkBatch({ ...batch, publicKey: null })).toEqual(['key_unknown']);
    expect(checkBatch({ ...batch, publicKey: other.publicKey })).toEqual(['key_is_another']);
    expect(checkBatch({ ...batch, publicKey: other.publicKey, keyId: other.keyId })).toEqual(['signature_invalid']);
  });
});
