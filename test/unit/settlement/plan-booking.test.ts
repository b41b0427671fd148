import { apartText, planBooking } from '../../../services/settlement/rules/plan-booking';

const KEY = 'settlement:s:correction:2';
const plan = (paid: bigint, said: bigint | null, booked: bigint, keys: readonly string[] = ['settlement:s']) =>
  planBooking({ paid, said, booked: { amount: booked, keys }, key: KEY });

it('books what the bank has moved since, in either direction', () => {
  expect(plan(5_060n, 5_100n, 5_100n)).toEqual({ kind: 'book', amount: -40n });
  expect(plan(5_101n, 5_100n, 5_100n)).toEqual({ kind: 'book', amount: 1n });
  expect(plan(-1_205n, 0n, 0n, [])).toEqual({ kind: 'book', amount: -1_205n });
  expect(plan(5_100n, 5_100n, 5_100n)).toEqual({ kind: 'nothing' });
});

it('books nothing by itself where the books are otherwise than the settlement says, by however little', () => {
  expect(plan(5_060n, 5_101n, 5_100n)).toEqual({ kind: 'apart', amount: -40n });
  expect(plan(5_060n, 5_060n, 5_061n)).toEqual({ kind: 'apart', amount: -1n });
  expect(plan(5_060n, null, 5_061n)).toEqual({ kind: 'apart', amount: -1n });
  expect(plan(5_060n, 5_100n, 5_100n, ['settlement:s', KEY])).toEqual({ kind: 'apart', amount: -40n });
});

it('has nothing to mend where the books have what the bank moved, whatever the settlement says', () => {
  expect(plan(5_060n, 5_100n, 5_060n)).toEqual({ kind: 'nothing' });
  expect(plan(5_060n, null, 5_060n, [KEY])).toEqual({ kind: 'nothing' });
});

it('names the amounts and the mend', () => {
  expect(apartText(-125n, 5n)).toBe(
    'the bank moved -1.25 USD and the books have -1.30 of it: 0.05 is to be booked by correct-books',
  );
});
