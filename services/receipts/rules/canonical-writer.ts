import { canonicalJson, canonicalString } from './canonical-json';

const FIRST_BYTES = 1 << 14;
/** Room for one number or short text, asked for at once. */
const SHORT = 64;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

/**
 * Canonical JSON (canonical-json.ts) put together as UTF-8, member by member. A text of a hundred pieces that is joined, made
 * flat and encoded costs as much as deciding what it tells of, most of it in memory that is touched once.
 */
export class CanonicalWriter {
  private bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private at = 0;

  private room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }

  /** Text that is JSON already and plain ASCII: punctuation, names, digits, our own ids. */
  raw(ascii: string): this {
    const { length } = ascii;
    this.room(length);
    const { bytes } = this;
    let { at } = this;
    for (let index = 0; index < length; index += 1, at += 1) bytes[at] = ascii.charCodeAt(index);
    this.at = at;
    return this;
  }

  byte(value: number): this {
    this.room(1);
    this.bytes[this.at] = value;
    this.at += 1;
    return this;
  }

  /** A string of any content, in quotes. */
  string(text: string): this {
    const { length } = text;
    this.room(length + 2);
    const { bytes } = this;
    let { at } = this;
    bytes[at] = QUOTE;
    at += 1;
    for (let index = 0; index < length; index += 1, at += 1) {
      const unit = text.charCodeAt(index);
      if (unit < FIRST_PRINTABLE || unit > LAST_PRINTABLE || unit === QUOTE || unit === BACKSLASH)
        return this.encoded(canonicalString(text));
      bytes[at] = unit;
    }
    bytes[at] = QUOTE;
    this.at = at + 1;
    return this;
  }

  /** A string whose content is known to need no escape: digits, our own ids, an instant. */
  quoted(ascii: string): this {
    return this.raw('"').raw(ascii).raw('"');
  }

  /** An amount, as a string. */
  amount(value: bigint): this {
    return this.quoted(value.toString());
  }

  integer(value: number): this {
    return this.raw(value.toString());
  }

  /** Any value that canonical JSON can carry. */
  json(value: unknown): this {
    return this.encoded(canonicalJson(value));
  }

  /** Canonical JSON that was written before. */
  copy(written: Uint8Array): this {
    this.room(written.length);
    this.bytes.set(written, this.at);
    this.at += written.length;
    return this;
  }

  private encoded(json: string): this {
    this.room(SHORT + json.length * 3);
    this.at += this.bytes.write(json, this.at);
    return this;
  }

  /** Where the next byte goes; for {@link between}. */
  get position(): number {
    return this.at;
  }

  /** A view of what was written between two positions: true until {@link clear}, or until more is written. */
  between(start: number, end: number): Buffer {
    return this.bytes.subarray(start, end);
  }

  clear(): void {
    this.at = 0;
  }
}
