import { countedAmount } from '../../../services/authorizations/rules/counted-amount';

const purchase = { approved: 100n, reversed: 10n, cleared: 0n };

test.each([
  ['pending', 0n, 90n],
  ['partially_cleared', 40n, 90n],
  ['partially_cleared', 90n, 90n],
  ['partially_cleared', 91n, 91n],
  ['cleared', 40n, 40n],
  ['cleared', 120n, 120n],
  ['expired', 0n, 0n],
  ['expired', 90n, 90n],
  ['reversed', 0n, 0n],
  ['declined', 0n, 0n],
  ['declined', 90n, 90n],
] as const)('%s, and %s cleared: %s', (state, cleared, counted) => {
  expect(countedAmount({ ...purchase, state, cleared })).toBe(counted);
});
