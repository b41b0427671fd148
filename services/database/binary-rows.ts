import { invariant } from '../shared/assert';

/**
 * Rows as one parameter: an array of a composite type in PostgreSQL's binary form (`array_recv` and `record_recv` of its
 * source; the value of each type as its `*_recv` function reads it). The server takes such a parameter apart four times as
 * fast as a column of text for each field, and nothing in a value can be mistaken for what separates values.
 */

/** Object ids that PostgreSQL's catalog fixes for its own types. */
const OID = {
  boolean: 16,
  bigint: 20,
  smallint: 21,
  int: 23,
  text: 25,
  json: 114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
} as const;

const FIRST_BYTES = 1 << 16;
/** A number of any type, with its length and type before it, fits; longer values ask for room themselves. */
const FIXED_BYTES = 64;
/** PostgreSQL counts from the year 2000. */
const EPOCH_2000_MS = Date.UTC(2000, 0, 1);
/** The length of a field that is null. */
const NULL = -1;
const NUMERIC_NEGATIVE = 0x4000;
const UUID_LENGTH = 36;
const HYPHEN = 0x2d;
const SHORT_TEXT = 40;
const SMALLINT_MAX = 2 ** 15 - 1;
const INT_MAX = 2 ** 31 - 1;

const NIBBLES = new Uint8Array(128).fill(0xff);
for (let value = 0; value < 16; value += 1) {
  NIBBLES[value.toString(16).charCodeAt(0)] = value;
  NIBBLES[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Writes fields in the order of the composite type's attributes. Bytes grow as they must. */
export class RowWriter {
  private bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  private fields = 0;

  private room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  private int32(value: number): void {
    this.room(FIXED_BYTES);
    this.view.setInt32(this.at, value);
    this.at += 4;
  }

  /** The type and length of a field; its value follows. */
  private field(oid: number, length: number): void {
    this.room(FIXED_BYTES);
    this.view.setInt32(this.at, oid);
    this.view.setInt32(this.at + 4, length);
    this.at += 8;
    this.fields += 1;
  }

  boolean(value: boolean): void {
    this.field(OID.boolean, 1);
    this.view.setUint8(this.at, value ? 1 : 0);
    this.at += 1;
  }

  smallint(value: number): void {
    this.field(OID.smallint, 2);
    this.view.setInt16(this.at, integer(value, SMALLINT_MAX));
    this.at += 2;
  }

  int(value: number): void {
    this.field(OID.int, 4);
    this.view.setInt32(this.at, integer(value, INT_MAX));
    this.at += 4;
  }

  bigint(value: bigint | null): void {
    if (value === null) {
      this.field(OID.bigint, NULL);
      return;
    }
    if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} does not fit a bigint column`);
    this.field(OID.bigint, 8);
    this.view.setBigInt64(this.at, value);
    this.at += 8;
  }

  timestamptz(value: Date | null): void {
    if (value === null) {
      this.field(OID.timestamptz, NULL);
      return;
    }
    const sinceEpoch = value.getTime() - EPOCH_2000_MS;
    if (Number.isNaN(sinceEpoch)) throw new RangeError(`${value} is no instant`);
    this.field(OID.timestamptz, 8);
    this.view.setBigInt64(this.at, BigInt(sinceEpoch) * 1000n);
    this.at += 8;
  }

  uuid(value: string | null): void {
    if (value === null) {
      this.field(OID.uuid, NULL);
      return;
    }
    this.field(OID.uuid, 16);
    const end = this.at + 16;
    if (value.length === UUID_LENGTH) {
      for (let index = 0; index < UUID_LENGTH; index += 2) {
        if (index === 8 || index === 13 || index === 18 || index === 23) {
          if (value.charCodeAt(index) !== HYPHEN) break;
          index += 1;
        }
        const high = NIBBLES[value.charCodeAt(index)] ?? 0xff;
        const low = NIBBLES[value.charCodeAt(index + 1)] ?? 0xff;
        if ((high | low) > 0x0f) break;
        this.bytes[this.at] = (high << 4) | low;
        this.at += 1;
      }
    }
    if (this.at !== end) throw new RangeError(`${value} is no UUID`);
  }

  /** Base units: digits in groups of four, the last groups left out where they are zero. */
  numeric(value: bigint | null): void {
    if (value === null) {
      this.field(OID.numeric, NULL);
      return;
    }
    const digits = (value < 0n ? -value : value).toString();
    const groups = value === 0n ? 0 : Math.ceil(digits.length / 4);
    this.field(OID.numeric, 0);
    this.room(FIXED_BYTES + groups * 2);
    const start = this.at;
    let at = start + 8;
    let kept = 0;
    let end = digits.length - (groups - 1) * 4;
    for (let group = 0, from = 0; group < groups; group += 1, from = end, end += 4) {
      const four = Number(digits.slice(from, end));
      this.view.setInt16(at, four);
      at += 2;
      if (four !== 0) kept = group + 1;
    }
    this.view.setInt32(start - 4, 8 + kept * 2);
    this.view.setInt16(start, kept);
    this.view.setInt16(start + 2, groups === 0 ? 0 : groups - 1);
    this.view.setInt16(start + 4, value < 0n ? NUMERIC_NEGATIVE : 0);
    this.view.setInt16(start + 6, 0);
    this.at = start + 8 + kept * 2;
  }

  text(value: string | null): void {
    if (value === null) {
      this.field(OID.text, NULL);
      return;
    }
    this.field(OID.text, 0);
    this.characters(value);
  }

  json(value: string | null): void {
    if (value === null) {
      this.field(OID.json, NULL);
      return;
    }
    this.field(OID.json, 0);
    this.characters(value);
  }

  private characters(value: string): void {
    this.room(FIXED_BYTES + value.length * 3);
    const start = this.at;
    let written = 0;
    if (value.length <= SHORT_TEXT) {
      // A call into the runtime costs more than these few bytes.
      while (written < value.length) {
        const code = value.charCodeAt(written);
        if (code > 0x7f) break;
        this.bytes[start + written] = code;
        written += 1;
      }
    }
    if (written < value.length) written = this.bytes.write(value, start);
    this.view.setInt32(start - 4, written);
    this.at = start + written;
  }

  /** Starts over with the head of an array. */
  startArray(elementOid: number, count: number): void {
    this.at = 0;
    this.int32(count === 0 ? 0 : 1);
    this.int32(0);
    this.int32(elementOid);
    if (count === 0) return;
    this.int32(count);
    this.int32(1);
  }

  /** Its fields follow. Returns where the row starts. */
  startRow(fieldCount: number): number {
    this.int32(0);
    const start = this.at;
    this.int32(fieldCount);
    this.fields = 0;
    return start;
  }

  endRow(start: number, fieldCount: number): void {
    invariant(this.fields === fieldCount, `${this.fields} fields were written of a row of ${fieldCount}`);
    this.view.setInt32(start - 4, this.at - start);
  }

  /** One text of an array, in UTF-8. */
  element(value: Uint8Array): void {
    this.room(FIXED_BYTES + value.length);
    this.view.setInt32(this.at, value.length);
    this.bytes.set(value, this.at + 4);
    this.at += 4 + value.length;
  }

  /** A copy of what was written since the start. */
  taken(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.at));
  }
}

function integer(value: number, max: number): number {
  if (!Number.isInteger(value) || value > max || value < -max - 1)
    throw new RangeError(`${value} does not fit its column`);
  return value;
}

/** Shared, because writing is synchronous: nothing else writes before the bytes are taken. */
const writer = new RowWriter();

/**
 * The parameter for `$n::type[]`, where `elementOid` is the object id of the composite type and `write` writes its
 * `fieldCount` attributes in order. Throws RangeError for a value that its type cannot hold; nothing is cut or rounded.
 */
export function binaryRows<T>(
  elementOid: number,
  fieldCount: number,
  rows: readonly T[],
  write: (row: T, out: RowWriter) => void,
): Buffer {
  writer.startArray(elementOid, rows.length);
  for (const row of rows) {
    const start = writer.startRow(fieldCount);
    write(row, writer);
    writer.endRow(start, fieldCount);
  }
  return writer.taken();
}

/** The parameter for `$n::text[]`, from texts in UTF-8. */
export function binaryTexts(texts: readonly Uint8Array[]): Buffer {
  writer.startArray(OID.text, texts.length);
  for (const text of texts) writer.element(text);
  return writer.taken();
}
