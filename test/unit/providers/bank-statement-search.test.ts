import { findBankTransaction } from '../../../services/funding/find-bank-transaction';
import type { BankStatements, BankTransaction } from '../../../services/providers/off-ramp/port';
import { findBankEntries } from '../../../services/settlement/find-bank-entries';

type Answer = Awaited<ReturnType<BankStatements['transactions']>>;

function entry(id: string, reference: string, direction: BankTransaction['direction'] = 'credit'): BankTransaction {
  return { id, reference, direction, amount: 100n, bookedAt: new Date(0) };
}

const STATEMENT = [
  entry('1', 'other'),
  entry('2', 'ours', 'debit'),
  entry('3', 'other'),
  entry('4', 'ours'),
  entry('5', 'ours'),
  entry('6', 'other'),
];

/** Two entries a page; `asked` is where each page began. */
function bankOf(statement: readonly BankTransaction[], fail: (after: string | null) => Answer | null = () => null) {
  const asked: (string | null)[] = [];
  const bank: BankStatements = {
    balance: () => Promise.reject(new Error('nobody asks for the balance')),
    transactions: ({ after }) => {
      asked.push(after);
      const from = after === null ? 0 : statement.findIndex(({ id }) => id === after) + 1;
      const value = { data: statement.slice(from, from + 2), hasMore: from + 2 < statement.length };
      return Promise.resolve(fail(after) ?? { kind: 'ok', value });
    },
  };
  return { bank, asked };
}

test('the first movement of a reference and direction is found, and nothing is read behind its page', async () => {
  const { bank, asked } = bankOf(STATEMENT);
  expect(await findBankTransaction(bank, { reference: 'ours', direction: 'credit' })).toEqual({
    kind: 'searched',
    transaction: STATEMENT[3],
  });
  expect(asked).toEqual([null, '2']);
});

test('all entries of a reference are found in the order of the statement, whatever their direction', async () => {
  const { bank, asked } = bankOf(STATEMENT);
  expect(await findBankEntries(bank, 'ours')).toEqual({
    kind: 'searched',
    entries: [STATEMENT[1], STATEMENT[3], STATEMENT[4]],
  });
  expect(asked).toEqual([null, '2', '4']);
});

test.each([
  ['that has no such entry', STATEMENT, [null, '2', '4']],
  ['without entries', [], [null]],
])('nothing is found in a statement %s', async (_which, statement, pages) => {
  const searched = bankOf(statement);
  expect(await findBankTransaction(searched.bank, { reference: 'none', direction: 'debit' })).toEqual({
    kind: 'searched',
    transaction: null,
  });
  expect(searched.asked).toEqual(pages);
  const read = bankOf(statement);
  expect(await findBankEntries(read.bank, 'none')).toEqual({ kind: 'searched', entries: [] });
  expect(read.asked).toEqual(pages);
});

test('an empty page ends the statement, though the bank says that there is more', async () => {
  const { bank, asked } = bankOf([], () => ({ kind: 'ok', value: { data: [], hasMore: true } }));
  expect(await findBankTransaction(bank, { reference: 'ours', direction: 'credit' })).toMatchObject({
    transaction: null,
  });
  expect(await findBankEntries(bank, 'ours')).toMatchObject({ entries: [] });
  expect(asked).toEqual([null, null]);
});

test.each<[string, Answer, string]>([
  ['does not answer', { kind: 'unknown', detail: 'no answer' }, 'no answer'],
  ['refuses', { kind: 'rejected', code: 'no_such_entry', detail: 'there is no such entry' }, 'no_such_entry'],
])('it is unknown where the bank %s on a later page, whatever was found before', async (_how, answer, detail) => {
  const { bank } = bankOf(STATEMENT, (after) => (after === '4' ? answer : null));
  expect(await findBankEntries(bank, 'ours')).toEqual({ kind: 'unknown', detail });
  expect(await findBankTransaction(bank, { reference: 'none', direction: 'credit' })).toEqual({
    kind: 'unknown',
    detail,
  });
});
