import { countAuthorization, countersNow } from '../../../services/cards/rules/limit-counters';
import { WINDOW_KINDS, windowStarts } from '../../../services/cards/rules/limit-windows';
import { limitRoom, narrowerRoom, refuseByMerchant } from '../../../services/cards/rules/spend-controls';
import { DEFAULT_PROGRAM_POLICY, merchantGroup } from '../../../services/programs/rules/program-policy';
import { NOW } from '../../builders/snapshots';

const none = countersNow(null, windowStarts(NOW, 'Etc/UTC'));

describe('merchant groups', () => {
  test.each([
    ['2999', null],
    ['3000', 'travel'],
    ['3350', 'travel'],
    ['3351', 'car_rental'],
    ['3500', 'car_rental'],
    ['3501', 'hotels'],
    ['3999', 'hotels'],
    ['4000', null],
    ['5542', 'automated_fuel'],
    ['5812', 'restaurants'],
    ['7995', 'gambling'],
  ])('category %s is of group %s', (mcc, group) => {
    expect(merchantGroup(mcc)).toBe(group);
  });
});

describe('where and how a card is used', () => {
  const shop = { mcc: '5411', merchantCountry: 'DEU', channel: 'chip' };

  test('nothing refuses a shop that no list names', () => {
    expect(refuseByMerchant(shop, DEFAULT_PROGRAM_POLICY, {})).toBeNull();
  });

  test('an allow list admits its groups and nothing else, not even merchants without a group', () => {
    const fuelOnly = { allowed_merchant_groups: ['fuel', 'automated_fuel'] as const };
    expect(refuseByMerchant({ ...shop, mcc: '5541' }, DEFAULT_PROGRAM_POLICY, fuelOnly)).toBeNull();
    expect(refuseByMerchant({ ...shop, mcc: '5812' }, DEFAULT_PROGRAM_POLICY, fuelOnly)).toBe('mcc_blocked');
    expect(refuseByMerchant(shop, DEFAULT_PROGRAM_POLICY, fuelOnly)).toBe('mcc_blocked');
  });

  test('a card cannot allow what its program blocks', () => {
    const controls = { allowed_merchant_groups: ['gambling'] as const };
    expect(refuseByMerchant({ ...shop, mcc: '7995' }, DEFAULT_PROGRAM_POLICY, controls)).toBe('mcc_blocked');
  });
});

describe('room under limits', () => {
  test('without limits there is no bound', () => {
    expect(limitRoom({}, none)).toEqual({ amount: null, countAllowed: true });
  });

  test('the tightest window decides, and what is overspent leaves nothing rather than less', () => {
    const spent = countAuthorization(none, 6_000n);
    expect(limitRoom({ day_amount: '10000', month_amount: '9000' }, spent)).toEqual({
      amount: 3_000n,
      countAllowed: true,
    });
    expect(limitRoom({ day_amount: '5000' }, spent).amount).toBe(0n);
  });

  test.each(WINDOW_KINDS)('the count of a %s is allowed below its limit and refused at it', (kind) => {
    const twice = countAuthorization(countAuthorization(none, 1n), 1n);
    expect(limitRoom({ [`${kind}_count`]: 3 }, twice).countAllowed).toBe(true);
    expect(limitRoom({ [`${kind}_count`]: 2 }, twice).countAllowed).toBe(false);
  });

  test('two rooms narrow each other', () => {
    expect(narrowerRoom({ amount: 5n, countAllowed: true }, { amount: null, countAllowed: false })).toEqual({
      amount: 5n,
      countAllowed: false,
    });
    expect(narrowerRoom({ amount: 5n, countAllowed: true }, { amount: 3n, countAllowed: true })).toEqual({
      amount: 3n,
      countAllowed: true,
    });
  });
});
