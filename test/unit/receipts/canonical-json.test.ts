import fc from 'fast-check';
import { canonicalJson } from '../../../services/receipts/rules/canonical-json';

describe('RFC 8785', () => {
  test('strings are written as in §3.2.2', () => {
    expect(canonicalJson({ string: '€$\u000F\u000aA\'\u0042\u0022\u005c\\"/' })).toBe(
      '{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    expect(canonicalJson('\b\t\n\f\r\u0000\u001f\u007f\u2028')).toBe('"\\b\\t\\n\\f\\r\\u0000\\u001f\u007f\u2028"');
  });

  test('literals are written as in §3.2.2', () => {
    expect(canonicalJson({ literals: [null, true, false] })).toBe('{"literals":[null,true,false]}');
  });

  test('keys are sorted by UTF-16 code units as in §3.2.3', () => {
    const text = canonicalJson({
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\u{1F600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    });
    expect([...text.matchAll(/":"([^"]*)"/g)].map((match) => match[1])).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  test('keys that look like numbers are sorted as text', () => {
    expect(canonicalJson({ '9': 1, '10': 2, a: { c: 1, b: 2 } })).toBe('{"10":2,"9":1,"a":{"b":2,"c":1}}');
  });

  test.each([
    [0, '0'],
    [-0, '0'],
    [9007199254740991, '9007199254740991'],
    [-9007199254740991, '-9007199254740991'],
    [1e15, '1000000000000000'],
  ])('integer %p is written as in appendix B', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  test.each([
    ['a float', 0.5],
    ['an unsafe integer', 9007199254740992],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a bigint', 1n],
    ['undefined', undefined],
    ['an undefined member', { a: undefined }],
    ['a hole', [undefined]],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['a function', () => 1],
    ['half a surrogate pair', 'a\ud800b'],
    ['the other half', '\udc00'],
    ['half a pair in a key', { '\ud83d': 1 }],
  ])('%s is refused', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(/canonical JSON/);
  });
});

/** Values that it takes: JSON without floats. */
const canonical = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { maxKeys: 5 }),
  ),
})).value;

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, each]) => [key, reversed(each)]),
  );
}

describe('properties', () => {
  test('it is JSON that reads back as the value', () => {
    fc.assert(
      fc.property(canonical, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('one value has one text, whatever the order of its keys', () => {
    fc.assert(
      fc.property(canonical, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });
});
