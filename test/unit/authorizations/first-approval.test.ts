import { type FirstLeg, isFirstApprovalLeft } from '../../../services/authorizations/rules/first-approval';

const leg = (change: Partial<FirstLeg> = {}): FirstLeg => ({
  held_amount: 100n,
  posted_amount: 0n,
  released_amount: 0n,
  posted_usd: 0n,
  refunded_usd: 0n,
  ...change,
});
const funded = (refunded: bigint) => leg({ posted_amount: 100n, posted_usd: 100n, refunded_usd: refunded });
const left = (legs: readonly FirstLeg[], reserved = 0n, cleared = 0n) =>
  isFirstApprovalLeft(legs, { reserved_amount: reserved, cleared_amount: cleared });

it('is left while one of its legs holds a unit', () => {
  expect(left([leg()])).toBe(true);
  expect(left([leg({ posted_amount: 60n, released_amount: 39n }), leg({ released_amount: 100n })])).toBe(true);
  expect(left([leg({ posted_amount: 60n, released_amount: 40n })])).toBe(false);
  expect(left([])).toBe(false);
});

it('is left while a cent of what was set aside for it is neither given back nor cleared', () => {
  expect(left([funded(0n)], 50n, 99n)).toBe(true);
  expect(left([funded(0n)], 50n, 100n)).toBe(false);
  expect(left([funded(99n)], 50n)).toBe(true);
  expect(left([funded(100n)], 50n)).toBe(false);
  // Posted by a clearing, with its fee: nothing is set aside.
  expect(left([funded(0n)], 0n, 98n)).toBe(false);
});
