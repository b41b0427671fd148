/**
 * Rows as one parameter: an array of a composite type in PostgreSQL's binary form (`array_recv` and `record_recv` of its
 * source; the value of each type as its `*_recv` function reads it). The server takes such a parameter apart four times as
 * fast as a column of text for each field, and nothing in a value can be mistaken for what separates values.
 */

/** Field types by their SQL name, with the object id that PostgreSQL's catalog fixes for each. */
const TYPE_OIDS = {
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

export type FieldType = keyof typeof TYPE_OIDS;

/** What a field of each type is written from. `numeric` are integers here: base units. */
interface FieldValues {
  readonly boolean: boolean;
  readonly bigint: bigint;
  readonly smallint: number;
  readonly int: number;
  readonly text: string;
  readonly json: string;
  readonly timestamptz: Date;
  readonly numeric: bigint;
  readonly uuid: string;
}

/** The names of `T` with types that can carry their values, in the order of the composite type's attributes. */
export type Fields<T> = readonly {
  readonly [Name in keyof T & string]: readonly [
    name: Name,
    type: { [Type in FieldType]: T[Name] extends FieldValues[Type] | null ? Type : never }[FieldType],
  ];
}[keyof T & string][];

const FIRST_BYTES = 1 << 16;
/** A number of any type, with its length and type before it, fits; longer values ask for room themselves. */
const FIXED_BYTES = 64;
/** PostgreSQL counts from the year 2000. */
const EPOCH_2000_MS = Date.UTC(2000, 0, 1);
const NUMERIC_NEGATIVE = 0x4000;
const SHORT_TEXT = 40;
const SMALLINT_MAX = 2 ** 15 - 1;
const INT_MAX = 2 ** 31 - 1;

const NIBBLES = new Uint8Array(128).fill(0xff);
for (let value = 0; value < 16; value += 1) {
  NIBBLES[value.toString(16).charCodeAt(0)] = value;
  NIBBLES[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Bytes written one value after the other; grows. */
class Bytes {
  private bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  start(): void {
    this.at = 0;
  }

  /** A copy of what was written since the start. */
  taken(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.at));
  }

  private room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  int32(value: number): void {
    this.room(FIXED_BYTES);
    this.view.setInt32(this.at, value);
    this.at += 4;
  }

  /** Leaves four bytes for a length that is known later; returns where they are. */
  length(): number {
    this.int32(0);
    return this.at;
  }

  /** What was written since is as long as it is. */
  lengthIsKnown(start: number): void {
    this.view.setInt32(start - 4, this.at - start);
  }

  field<Type extends FieldType>(type: Type, value: FieldValues[Type] | null | undefined): void;
  field(type: FieldType, value: FieldValues[FieldType] | null | undefined): void {
    this.room(FIXED_BYTES);
    this.view.setInt32(this.at, TYPE_OIDS[type]);
    this.at += 4;
    if (value === null || value === undefined) {
      this.view.setInt32(this.at, -1);
      this.at += 4;
      return;
    }
    switch (type) {
      case 'boolean':
        this.view.setInt32(this.at, 1);
        this.view.setUint8(this.at + 4, value ? 1 : 0);
        this.at += 5;
        return;
      case 'smallint':
        this.view.setInt32(this.at, 2);
        this.view.setInt16(this.at + 4, integer(value as number, SMALLINT_MAX));
        this.at += 6;
        return;
      case 'int':
        this.view.setInt32(this.at, 4);
        this.view.setInt32(this.at + 4, integer(value as number, INT_MAX));
        this.at += 8;
        return;
      case 'bigint':
        this.view.setInt32(this.at, 8);
        this.view.setBigInt64(this.at + 4, bigint64(value as bigint));
        this.at += 12;
        return;
      case 'timestamptz':
        this.timestamp(value as Date);
        return;
      case 'uuid':
        this.uuid(value as string);
        return;
      case 'numeric':
        this.numeric(value as bigint);
        return;
      case 'text':
      case 'json':
        this.text(value as string);
        return;
    }
  }

  private timestamp(value: Date): void {
    const sinceEpoch = value.getTime() - EPOCH_2000_MS;
    if (Number.isNaN(sinceEpoch)) throw new RangeError(`${value} is no instant`);
    this.view.setInt32(this.at, 8);
    this.view.setBigInt64(this.at + 4, BigInt(sinceEpoch) * 1000n);
    this.at += 12;
  }

  private uuid(value: string): void {
    this.view.setInt32(this.at, 16);
    let at = this.at + 4;
    const end = at + 16;
    if (value.length === 36) {
      for (let index = 0; index < 36; index += 2) {
        if (index === 8 || index === 13 || index === 18 || index === 23) {
          if (value.charCodeAt(index) !== 0x2d) break;
          index += 1;
        }
        const high = NIBBLES[value.charCodeAt(index)] ?? 0xff;
        const low = NIBBLES[value.charCodeAt(index + 1)] ?? 0xff;
        if ((high | low) > 0x0f) break;
        this.bytes[at] = (high << 4) | low;
        at += 1;
      }
    }
    if (at !== end) throw new RangeError(`${value} is no UUID`);
    this.at = end;
  }

  /** Digits in groups of four, the last groups left out where they are zero. */
  private numeric(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString();
    const groups = value === 0n ? 0 : Math.ceil(digits.length / 4);
    this.room(FIXED_BYTES + groups * 2);
    const lengthAt = this.at;
    let at = lengthAt + 12;
    let kept = 0;
    let end = digits.length - (groups - 1) * 4;
    for (let group = 0, start = 0; group < groups; group += 1, start = end, end += 4) {
      const four = Number(digits.slice(start, end));
      this.view.setInt16(at, four);
      at += 2;
      if (four !== 0) kept = group + 1;
    }
    this.view.setInt32(lengthAt, 8 + kept * 2);
    this.view.setInt16(lengthAt + 4, kept);
    this.view.setInt16(lengthAt + 6, groups === 0 ? 0 : groups - 1);
    this.view.setInt16(lengthAt + 8, value < 0n ? NUMERIC_NEGATIVE : 0);
    this.view.setInt16(lengthAt + 10, 0);
    this.at = lengthAt + 12 + kept * 2;
  }

  private text(value: string): void {
    this.room(FIXED_BYTES + value.length * 3);
    const start = this.at + 4;
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
    this.view.setInt32(this.at, written);
    this.at = start + written;
  }

  /** Bytes as they are, with their length before them. */
  blob(value: Uint8Array): void {
    this.room(FIXED_BYTES + value.length);
    this.view.setInt32(this.at, value.length);
    this.bytes.set(value, this.at + 4);
    this.at += 4 + value.length;
  }
}

function integer(value: number, max: number): number {
  if (!Number.isInteger(value) || value > max || value < -max - 1)
    throw new RangeError(`${value} does not fit its column`);
  return value;
}

function bigint64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} does not fit a bigint column`);
  return value;
}

/** Shared, because writing is synchronous: nothing else writes before the bytes are taken. */
const bytes = new Bytes();

function startArray(elementOid: number, count: number): void {
  bytes.start();
  bytes.int32(count === 0 ? 0 : 1);
  bytes.int32(0);
  bytes.int32(elementOid);
  if (count === 0) return;
  bytes.int32(count);
  bytes.int32(1);
}

/**
 * The parameter for `$n::type[]`, where `elementOid` is the object id of the composite type and `fields` its attributes in
 * order. Throws RangeError for a value that its type cannot hold; nothing is cut or rounded.
 */
export function binaryRows<T>(elementOid: number, fields: Fields<T>, rows: readonly T[]): Buffer {
  startArray(elementOid, rows.length);
  for (const row of rows) {
    const start = bytes.length();
    bytes.int32(fields.length);
    for (const [name, type] of fields) bytes.field(type, row[name] as never);
    bytes.lengthIsKnown(start);
  }
  return bytes.taken();
}

/** The parameter for `$n::text[]`, from texts in UTF-8. */
export function binaryTexts(texts: readonly Uint8Array[]): Buffer {
  startArray(TYPE_OIDS.text, texts.length);
  for (const text of texts) bytes.blob(text);
  return bytes.taken();
}
