import fc from 'fast-check';
import { outstandingOverdue } from '../../../services/funding/rules/outstanding-overdue';

const part = (cardTransactionId: string, amountUsd: bigint) => ({ cardTransactionId, amountUsd, since: new Date(0) });

test('the oldest are paid first', () => {
  const parts = [part('a', 30n), part('b', 50n), part('c', 20n)];
  const left = (total: bigint) =>
    outstandingOverdue(parts, total).map((each) => [each.cardTransactionId, each.amountUsd]);
  expect(left(100n)).toEqual([
    ['a', 30n],
    ['b', 50n],
    ['c', 20n],
  ]);
  expect(left(71n)).toEqual([
    ['a', 1n],
    ['b', 50n],
    ['c', 20n],
  ]);
  expect(left(70n)).toEqual([
    ['b', 50n],
    ['c', 20n],
  ]);
  expect(left(1n)).toEqual([['c', 1n]]);
  expect(left(0n)).toEqual([]);
});

test('what is shown adds up to what is owed', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt(1n, 1_000n)), fc.bigInt(0n, 5_000n), (amounts, total) => {
      const all = amounts.reduce((sum, each) => sum + each, 0n);
      const owed = total < all ? total : all;
      const shown = outstandingOverdue(
        amounts.map((amount, index) => part(`${index}`, amount)),
        owed,
      );
      expect(shown.reduce((sum, each) => sum + each.amountUsd, 0n)).toBe(owed);
    }),
  );
});
