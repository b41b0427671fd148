import fc from 'fast-check';
import { standIn } from '../../../services/partner-decisions/rules/stand-in';
import type { StandInRules } from '../../../services/programs/rules/program-policy';

const GROCER = '5411';
const RESTAURANT = '5812';
const HOTEL = '3501';

const cases: readonly [string, StandInRules, bigint, string, 'approve' | 'decline'][] = [
  ['the default alone', { default: 'approve' }, 1n, GROCER, 'approve'],
  ['the default alone', { default: 'decline' }, 1n, GROCER, 'decline'],
  ['exactly up to the amount', { default: 'decline', approve_up_to: '5000' }, 5_000n, GROCER, 'approve'],
  ['a cent above it', { default: 'decline', approve_up_to: '5000' }, 5_001n, GROCER, 'decline'],
  ['exactly the largest', { default: 'approve', decline_above: '5000' }, 5_000n, GROCER, 'approve'],
  ['a cent above the largest', { default: 'approve', decline_above: '5000' }, 5_001n, GROCER, 'decline'],
  ['a group', { default: 'decline', approve_merchant_groups: ['restaurants'] }, 9_999n, RESTAURANT, 'approve'],
  ['no group at all', { default: 'decline', approve_merchant_groups: ['restaurants'] }, 1n, GROCER, 'decline'],
  ['a range of codes', { default: 'approve', decline_merchant_groups: ['hotels'] }, 1n, HOTEL, 'decline'],
  [
    'both conditions must hold: too much',
    { default: 'decline', approve_up_to: '100', approve_merchant_groups: ['restaurants'] },
    101n,
    RESTAURANT,
    'decline',
  ],
  [
    'both conditions must hold: another place',
    { default: 'decline', approve_up_to: '100', approve_merchant_groups: ['restaurants'] },
    100n,
    HOTEL,
    'decline',
  ],
  [
    'what declines comes first',
    { default: 'decline', approve_up_to: '10000', decline_merchant_groups: ['hotels'] },
    100n,
    HOTEL,
    'decline',
  ],
];

test.each(cases)('%s: %j, %s cents at %s is %s', (_name, rules, amount, mcc, expected) => {
  expect(standIn(rules, { amount, mcc })).toBe(expected);
});

test('a larger purchase is never approved where a smaller one at the same place is declined', () => {
  const cents = fc.bigInt(0n, 1_000_000n);
  const optionalCents = fc.option(cents, { nil: undefined });
  fc.assert(
    fc.property(
      fc.constantFrom('approve' as const, 'decline' as const),
      optionalCents,
      optionalCents,
      cents,
      cents,
      (fallback, above, upTo, amount, more) => {
        const rules: StandInRules = {
          default: fallback,
          ...(above === undefined ? {} : { decline_above: above.toString() }),
          ...(upTo === undefined ? {} : { approve_up_to: upTo.toString() }),
        };
        if (standIn(rules, { amount, mcc: GROCER }) === 'decline') {
          expect(standIn(rules, { amount: amount + more, mcc: GROCER })).toBe('decline');
        }
      },
    ),
  );
});
