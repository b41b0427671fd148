import {
  type DatedChange,
  dueAfter,
  dueSince,
  totalNow,
} from '../../../services/authorizations/rules/order-of-messages';

const at = new Date(0);
const more = (amount: bigint): DatedChange => ({ at, kind: 'more', amount });
const less = (amount: bigint): DatedChange => ({ at, kind: 'less', amount });
const total = (amount: bigint): DatedChange => ({ at, kind: 'total', amount });
const cleared = (amount: bigint, final = false): DatedChange => ({ at, kind: 'cleared', amount, final });
const ended: DatedChange = { at, kind: 'ended' };

test.each<[string, readonly DatedChange[], bigint, bigint]>([
  ['nothing', [], 100n, 0n],
  ['more', [more(50n)], 150n, 0n],
  ['less', [less(40n)], 60n, 0n],
  ['no less than there is', [less(140n), more(10n)], 10n, 0n],
  ['a part that is cleared', [cleared(30n)], 70n, 30n],
  ['more than there is that is cleared', [cleared(130n), more(10n)], 10n, 130n],
  ['a last clearing', [cleared(30n, true)], 0n, 30n],
  ['a last clearing and more', [cleared(30n, true), more(5n)], 5n, 30n],
  ['an end', [more(50n), ended], 0n, 0n],
  ['a total has in it what is cleared', [cleared(30n), total(90n)], 60n, 30n],
  ['a total below what is cleared', [cleared(30n), total(20n)], 0n, 30n],
])('what may still be cleared of 100: %s', (_, changes, due, sum) => {
  expect(dueAfter({ cleared: 0n, due: 100n }, changes)).toEqual({ due, cleared: sum });
});

test('what was approved since is at most what may still be cleared now', () => {
  expect(dueSince([more(50n), cleared(20n)], 130n)).toBe(30n);
  expect(dueSince([more(50n)], 40n)).toBe(40n);
  expect(dueSince([more(50n), ended], 40n)).toBe(0n);
});

test.each<[bigint, bigint, readonly DatedChange[], bigint]>([
  [140n, 0n, [], 140n],
  [140n, 150n, [], 150n],
  [140n, 20n, [more(50n)], 190n],
  [140n, 20n, [cleared(20n)], 140n],
  [140n, 20n, [cleared(20n, true)], 20n],
  [140n, 30n, [cleared(20n, true), more(5n)], 35n],
  [140n, 20n, [less(140n)], 20n],
  [0n, 20n, [more(50n)], 70n],
])('a total of %p that is told late, with %p cleared', (told, sum, since, now) => {
  expect(totalNow(told, sum, since)).toBe(now);
});
