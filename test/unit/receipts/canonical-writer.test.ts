import fc from 'fast-check';
import { canonicalJson, canonicalString } from '../../../services/receipts/rules/canonical-json';
import { CanonicalWriter } from '../../../services/receipts/rules/canonical-writer';
import { LeafWriter, leafInput, receiptIn } from '../../../services/receipts/seal-receipts';

function written(write: (out: CanonicalWriter) => void): string {
  const out = new CanonicalWriter();
  write(out);
  return out.between(0, out.position).toString();
}

describe('canonical JSON, written as bytes', () => {
  test('is the text, for every string', () => {
    const strings = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary-ascii' }));
    fc.assert(
      fc.property(fc.array(strings, { maxLength: 20 }), (texts) => {
        const whole = written((out) => {
          for (const text of texts) out.string(text);
        });
        expect(whole).toBe(texts.map(canonicalString).join(''));
      }),
    );
  });

  test('escapes what stands at each edge of the printable characters', () => {
    const edges = '\u001f \u007e\u007f"\\';
    expect(written((out) => out.string(edges))).toBe(canonicalString(edges));
    for (const edge of edges) expect(written((out) => out.string(edge))).toBe(canonicalString(edge));
  });

  test('refuses half a surrogate pair, and leaves nothing of it', () => {
    const out = new CanonicalWriter();
    out.raw('[');
    expect(() => out.string('good until \ud800')).toThrow('half a surrogate pair');
    expect(out.raw(']').between(0, out.position).toString()).toBe('[]');
  });

  test('is the text, for every value, amount and number', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.bigInt(),
        fc.maxSafeInteger(),
        (value, amount, number) => {
          const canonical = JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'number' ? 1 : each)));
          const whole = written((out) => out.json(canonical).amount(amount).integer(number));
          expect(whole).toBe(`${canonicalJson(canonical)}"${amount}"${number}`);
        },
      ),
    );
  });

  test('grows as it must, whatever comes at the edge', () => {
    const long = 'x'.repeat((1 << 14) - 3);
    for (const tail of ['', 'y', 'yy', 'yyy', 'é', '"'.repeat(9)]) {
      expect(written((out) => out.raw(long).string(tail).raw('!'))).toBe(`${long}${canonicalString(tail)}!`);
    }
    expect(written((out) => out.copy(Buffer.from(long)).copy(Buffer.from(long)))).toBe(long + long);
  });
});

test('receipts written one after another are the leaves of their texts', () => {
  const leaves = new LeafWriter();
  const receipts = ['{"a":1}', '{"b":"é"}', '{}', `{"c":"${'x'.repeat(40_000)}"}`];
  for (const batch of [receipts, receipts.slice(1), []]) {
    const inputs = leaves.write(batch, (receipt, out) => out.json(JSON.parse(receipt)));
    expect(inputs).toEqual(batch.map(leafInput));
    expect(inputs.map((input) => Buffer.from(receiptIn(input)).toString())).toEqual(batch);
  }
});
