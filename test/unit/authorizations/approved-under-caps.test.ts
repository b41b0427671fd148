import { ApprovedUnderCaps } from '../../../services/authorizations/approved-under-caps';

const PROGRAM = 'program';
const approval = (amount: bigint) => ({ programId: PROGRAM, amount, count: 1 });

function total(approved: ApprovedUnderCaps, summedAt: number, now = 1_000_000) {
  const since = approved.since(PROGRAM, summedAt, new Date(now));
  return [
    since.reduce((sum, { amount }) => sum + amount, 0n),
    since.reduce((sum, { count }) => sum + count, 0),
  ] as const;
}

test('an approval counts from its decision on, until a sum that began after its commit', () => {
  const approved = new ApprovedUnderCaps();
  const first = approved.begun(approval(100n));
  const second = approved.begun(approval(20n));
  expect(total(approved, 5_000)).toEqual([120n, 2]);
  approved.ended(first, 1_000);
  approved.ended(second, null);
  expect(total(approved, 999)).toEqual([100n, 1]);
  expect(total(approved, 1_000)).toEqual([100n, 1]);
  expect(total(approved, 1_001)).toEqual([0n, 0]);
  // An older sum may take the place of a newer one: it does not have it. What is told twice changes nothing.
  approved.ended(first, 1_002);
  expect(total(approved, 1_000)).toEqual([100n, 1]);
  expect(total(approved, 1_001)).toEqual([0n, 0]);
  // It is forgotten in the end.
  expect(total(approved, 60_000)).toEqual([0n, 0]);
  expect(total(approved, 0)).toEqual([0n, 0]);
});

test('what a sum has is not counted beside it, however much was approved before it and after it', () => {
  const approved = new ApprovedUnderCaps();
  let at = 0;
  const until = (end: number) => {
    for (; at < end; at += 10) approved.ended(approved.begun(approval(1n)), at);
  };
  until(5_000);
  expect(total(approved, 5_000)).toEqual([0n, 0]);
  until(15_000);
  const [, count] = total(approved, 5_000);
  expect(count).toBe(1_000);
});

test('however many there are and however long nobody sums, few entries say all of them', () => {
  const approved = new ApprovedUnderCaps();
  for (let at = 0; at < 100_000; at += 7) approved.ended(approved.begun(approval(1n)), at);
  const made = Math.ceil(100_000 / 7);
  expect(approved.since(PROGRAM, 0, new Date(0)).length).toBeLessThanOrEqual(64);
  expect(total(approved, 0)).toEqual([BigInt(made), made]);
  // What follows a sum is never let go of with what came before it.
  const later = Math.ceil((100_000 - 90_000) / 7) - 1;
  expect(total(approved, 90_000)[1]).toBeGreaterThanOrEqual(later);
  expect(total(approved, 100_000)).toEqual([0n, 0]);
});
