import {
  amountForHoldRoundDown,
  holdExpiry,
  holdForAmountRoundUp,
  isStatusCheck,
} from '../../../services/authorizations/rules/hold-amount';
import { DEFAULT_PROGRAM_POLICY } from '../../../services/programs/rules/program-policy';
import { NOW } from '../../builders/snapshots';

const policy = DEFAULT_PROGRAM_POLICY;
const { hold_fixed_amount: _fixed, ...olderPolicy } = policy;

test.each([
  ['a grocer', '5411', 10_000n, 10_000n],
  ['a restaurant', '5812', 10_000n, 12_000n],
  ['a restaurant, a cent rounded up', '5812', 1n, 2n],
  ['a hotel', '7011', 10_000n, 11_500n],
  ['a hotel of a chain', '3501', 10_000n, 11_500n],
  ['a car rental of a chain', '3400', 10_000n, 11_500n],
  ['a pump that asks for a dollar', '5542', 100n, 17_500n],
  ['a pump that asks for less', '5542', 1n, 17_500n],
  ['a pump that asks for a real amount', '5542', 101n, 101n],
  ['a pump that verifies a card', '5542', 0n, 0n],
  ['a fuel station with a cashier', '5541', 100n, 100n],
])('%s', (_, mcc, amount, hold) => {
  expect(holdForAmountRoundUp(amount, mcc, policy)).toBe(hold);
  expect(isStatusCheck(amount, mcc, policy)).toBe(hold === 17_500n);
});

test('a program from before fixed holds existed holds what is asked', () => {
  expect(holdForAmountRoundUp(100n, '5542', olderPolicy)).toBe(100n);
  expect(isStatusCheck(100n, '5542', olderPolicy)).toBe(false);
});

test('the largest amount is no status check that its hold does not cover', () => {
  expect(amountForHoldRoundDown(17_499n, '5542', policy)).toBe(17_499n);
  expect(amountForHoldRoundDown(100n, '5542', policy)).toBe(0n);
  expect(amountForHoldRoundDown(17_499n, '5542', policy, 100n)).toBe(0n);
  expect(amountForHoldRoundDown(17_500n, '5542', policy, 100n)).toBe(100n);
  expect(amountForHoldRoundDown(12_000n, '5812', policy, 9_000n)).toBe(9_000n);
  expect(amountForHoldRoundDown(-1n, '5812', policy)).toBe(0n);
});

test.each([
  ['5542', 1],
  ['5541', 1],
  ['7011', 30],
  ['7512', 30],
  ['4511', 30],
  ['5411', 7],
])('a hold at %s lasts %s days', (mcc, days) => {
  expect(holdExpiry(NOW, mcc, policy).getTime() - NOW.getTime()).toBe(days * 86_400_000);
});
