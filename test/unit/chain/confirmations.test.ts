import { confirmationsOf, isConfirmed, newestConfirmedBlock } from '../../../services/chain/rules/confirmations';

test('the head has one confirmation, what is above it none', () => {
  expect(confirmationsOf(10n, 10n)).toBe(1n);
  expect(confirmationsOf(7n, 10n)).toBe(4n);
  expect(confirmationsOf(11n, 10n)).toBe(0n);
});

test('both sides of the policy', () => {
  expect(isConfirmed(8n, 10n, 3)).toBe(true);
  expect(isConfirmed(9n, 10n, 3)).toBe(false);
});

test('the newest confirmed block is the newest that passes, and is null on a short chain', () => {
  const newest = newestConfirmedBlock(10n, 3);
  expect(newest).toBe(8n);
  expect(newestConfirmedBlock(1n, 3)).toBeNull();
  expect(newestConfirmedBlock(2n, 3)).toBe(0n);
});
