import { InvariantError } from '../../shared/assert';

/** What canonical JSON is made from. Amounts travel as strings: there are no floats and no bigints. */
export type CanonicalValue =
  | string
  | number
  | boolean
  | null
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue };

/** Characters that JSON writes as they are. All others go the slow way. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A string as RFC 8785 writes it: like `JSON.stringify`, but half a surrogate pair is refused. */
export function canonicalString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!isWellFormed(text)) throw new InvariantError('canonical JSON cannot carry half a surrogate pair');
  return JSON.stringify(text);
}

/** `String.prototype.isWellFormed`, which the type library does not know yet. */
function isWellFormed(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(index + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return false;
    index += 1;
  }
  return true;
}

/**
 * The one text of a value by RFC 8785 (JSON Canonicalization Scheme): keys sorted by their UTF-16 code units, no white
 * space, strings and numbers as ECMAScript writes them. Of numbers only safe integers are taken; anything that JSON
 * would drop or change (undefined, floats, bigints, dates, half a surrogate pair) throws {@link InvariantError}.
 */
export function canonicalJson(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
      return canonicalString(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isSafeInteger(value)) throw new InvariantError(`canonical JSON takes safe integers, not ${value}`);
      return value === 0 ? '0' : value.toString();
    case 'object':
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
    default:
      throw new InvariantError(`canonical JSON cannot carry a ${typeof value}`);
  }
}

function canonicalArray(values: readonly unknown[]): string {
  let text = '[';
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) text += ',';
    text += canonicalJson(values[index]);
  }
  return `${text}]`;
}

function canonicalObject(value: object): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new InvariantError(`canonical JSON takes plain objects, not a ${value.constructor.name}`);
  }
  const entries = value as Readonly<Record<string, unknown>>;
  // The default order of `sort` is that of UTF-16 code units.
  const keys = Object.keys(entries).sort();
  let text = '{';
  for (const key of keys) {
    if (text.length > 1) text += ',';
    text += `${canonicalString(key)}:${canonicalJson(entries[key])}`;
  }
  return `${text}}`;
}
