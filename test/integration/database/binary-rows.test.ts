import fc from 'fast-check';
import { Client } from 'pg';
import { binaryRows, binaryTexts, type RowWriter } from '../../../services/database/binary-rows';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

interface Row {
  readonly flag: boolean;
  readonly small: number;
  readonly whole: number;
  readonly big: bigint | null;
  readonly base_units: bigint | null;
  readonly id: string | null;
  readonly at: Date | null;
  readonly words: string | null;
  readonly document: string | null;
}

const FIELDS = 9;

function writeRow(row: Row, out: RowWriter): void {
  out.boolean(row.flag);
  out.smallint(row.small);
  out.int(row.whole);
  out.bigint(row.big);
  out.numeric(row.base_units);
  out.uuid(row.id);
  out.timestamptz(row.at);
  out.text(row.words);
  out.json(row.document);
}

const none: Row = {
  flag: false,
  small: 0,
  whole: 0,
  big: null,
  base_units: null,
  id: null,
  at: null,
  words: null,
  document: null,
};

let database: TestDatabase;
let client: Client;
let typeOid: number;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new Client({ connectionString: database.superuserUrl });
  await client.connect();
  await client.query(`CREATE TYPE every_field AS (flag boolean, small smallint, whole int, big bigint, base_units numeric,
    id uuid, at timestamptz, words text, document json)`);
  const { rows } = await client.query("SELECT 'every_field'::regtype::oid::int AS oid");
  typeOid = rows[0].oid;
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** The rows as the server reads them, numbers of every size as text, instants in microseconds. */
async function asRead(rows: readonly Row[]): Promise<readonly unknown[]> {
  const result = await client.query({
    name: 'every-field',
    text: `SELECT flag, small, whole, big::text, base_units::text, id, (extract(epoch FROM at) * 1000000)::numeric(30, 0)::text AS at,
      words, document::text FROM unnest($1::every_field[])`,
    values: [binaryRows(typeOid, FIELDS, rows, writeRow)],
  });
  return result.rows;
}

function asWritten(row: Row) {
  const { flag, small, whole, big, base_units, id, at, words, document } = row;
  return {
    flag,
    small,
    whole,
    big: big === null ? null : big.toString(),
    base_units: base_units === null ? null : base_units.toString(),
    id: id === null ? null : id.toLowerCase(),
    at: at === null ? null : (BigInt(at.getTime()) * 1000n).toString(),
    words,
    document,
  };
}

const text = fc.string({ unit: 'grapheme', maxLength: 120 }).filter((value) => !value.includes('\u0000'));
const anyRow: fc.Arbitrary<Row> = fc.record({
  flag: fc.boolean(),
  small: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
  whole: fc.integer(),
  big: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  base_units: fc.option(
    fc.oneof(
      fc.bigInt({ min: -(10n ** 77n), max: 10n ** 77n }),
      fc.nat({ max: 76 }).map((power) => 10n ** BigInt(power)),
      fc.constant(0n),
    ),
  ),
  id: fc.option(fc.uuid()),
  at: fc.option(fc.date({ min: new Date('0100-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })),
  words: fc.option(text),
  document: fc.option(text.map((value) => JSON.stringify({ value }))),
});

test('every row of every batch is read as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRow, { maxLength: 40 }), async (rows) => {
      expect(await asRead(rows)).toEqual(rows.map(asWritten));
    }),
    { numRuns: 200 },
  );
});

test('a batch larger than what is kept for it', async () => {
  const words = 'ä'.repeat(40_000);
  const rows = await asRead(Array.from({ length: 30 }, () => ({ ...none, words })));
  expect(rows).toHaveLength(30);
  expect(rows.every((row) => (row as Row).words === words)).toBe(true);
});

test('texts keep their order and their bytes', async () => {
  const texts = ['', 'plain', '{"a":"ö"}', 'x,y\u001e{"NULL"}', '€'.repeat(9_000)];
  const { rows } = await client.query('SELECT $1::text[] AS texts, cardinality($2::text[]) AS none', [
    binaryTexts(texts.map((each) => Buffer.from(each))),
    binaryTexts([]),
  ]);
  expect(rows[0]).toEqual({ texts, none: 0 });
});

describe('what a type cannot hold is refused, not cut', () => {
  const write = (row: Partial<Row>) => () => binaryRows(typeOid, FIELDS, [{ ...none, ...row }], writeRow);

  test('integers', () => {
    expect(write({ big: 2n ** 63n })).toThrow(RangeError);
    expect(write({ big: -(2n ** 63n) })).not.toThrow();
    expect(write({ big: -(2n ** 63n) - 1n })).toThrow(RangeError);
    expect(write({ whole: 2 ** 31 })).toThrow(RangeError);
    expect(write({ whole: 1.5 })).toThrow(RangeError);
    expect(write({ small: 2 ** 15 })).toThrow(RangeError);
    expect(write({ small: -(2 ** 15) })).not.toThrow();
  });

  test('rows with a field too few', () => {
    expect(() => binaryRows(typeOid, FIELDS + 1, [none], writeRow)).toThrow('9 fields were written of a row of 10');
  });

  test('instants', () => {
    expect(write({ at: new Date(Number.NaN) })).toThrow(RangeError);
  });

  test('UUIDs', () => {
    expect(write({ id: '01a1fd88-b7e6-77d1-8c85-c9bda986bde4' })).not.toThrow();
    expect(write({ id: '01a1fd88-b7e6-77d1-8c85-c9bda986bde' })).toThrow(RangeError);
    expect(write({ id: '01a1fd88-b7e6-77d1-8c85-c9bda986bdeg' })).toThrow(RangeError);
    expect(write({ id: '01a1fd88+b7e6-77d1-8c85-c9bda986bde4' })).toThrow(RangeError);
    expect(write({ id: '01a1fd88-b7e6-77d1-8c85-c9bda986bdeé' })).toThrow(RangeError);
  });
});
