import { applyPolicyPatch, policyProblem } from '../../../services/programs/rules/policy-patch';
import { DEFAULT_PROGRAM_POLICY } from '../../../services/programs/rules/program-policy';
import type { Asset } from '../../../services/shared/money';

const ASSETS: ReadonlyMap<string, Asset> = new Map(
  [
    { code: 'USD', decimals: 2, kind: 'fiat' as const },
    { code: 'USDC', decimals: 6, kind: 'stablecoin' as const },
    { code: 'EURC', decimals: 6, kind: 'stablecoin' as const },
    { code: 'WETH', decimals: 18, kind: 'crypto' as const },
    { code: 'weETH', decimals: 18, kind: 'crypto' as const },
    { code: 'WBTC', decimals: 8, kind: 'crypto' as const },
  ].map((asset) => [asset.code, asset]),
);

test('an empty change changes nothing, and the default fits together', () => {
  expect(applyPolicyPatch(DEFAULT_PROGRAM_POLICY, {})).toEqual(DEFAULT_PROGRAM_POLICY);
  expect(policyProblem(DEFAULT_PROGRAM_POLICY, ASSETS)).toBeNull();
});

test('tables are merged, lists replaced, null removes', () => {
  const changed = applyPolicyPatch(DEFAULT_PROGRAM_POLICY, {
    stablecoins: ['USDC'],
    hold_allowance_bps: { restaurants: 2_500, hotels: null },
    hold_days: { fuel: 2 },
    limits: { day_amount: null, week_count: 3 },
    credit: { spread_bps: 250, collateral: { WBTC: null } },
  });
  expect(changed.stablecoins).toEqual(['USDC']);
  expect(changed.hold_allowance_bps).toEqual({ restaurants: 2_500, car_rental: 1_500 });
  expect(changed.hold_days).toEqual({ ...DEFAULT_PROGRAM_POLICY.hold_days, fuel: 2 });
  expect(changed.limits).toEqual({ per_transaction_amount: '1000000', week_count: 3 });
  expect(changed.credit).toMatchObject({ enabled: true, spread_bps: 250, borrow_asset: 'USDC' });
  expect(Object.keys(changed.credit.collateral).sort()).toEqual(['WETH', 'weETH']);
});

test("a partner's decision: defaults first, then only what changes, stand-in rules as a whole, null ends it", () => {
  const first = applyPolicyPatch(DEFAULT_PROGRAM_POLICY, {
    partner_decision: { stand_in: { default: 'decline', approve_up_to: '2500' } },
  });
  expect(first.partner_decision).toEqual({
    enabled: true,
    timeout_ms: 800,
    stand_in: { default: 'decline', approve_up_to: '2500' },
    breaker: { failures: 5, open_seconds: 30 },
  });
  expect(applyPolicyPatch(first, {})).toEqual(first);
  const second = applyPolicyPatch(first, {
    partner_decision: { enabled: false, stand_in: { default: 'approve' }, breaker: { failures: 2 } },
  });
  expect(second.partner_decision).toEqual({
    enabled: false,
    timeout_ms: 800,
    stand_in: { default: 'approve' },
    breaker: { failures: 2, open_seconds: 30 },
  });
  expect(applyPolicyPatch(second, { partner_decision: null })).toEqual(DEFAULT_PROGRAM_POLICY);
});

test.each([
  [{ default: 'approve', approve_up_to: '1' }, false],
  [{ default: 'approve', approve_merchant_groups: ['hotels'] }, false],
  [{ default: 'decline', decline_above: '1' }, false],
  [{ default: 'decline', decline_above: '9', approve_merchant_groups: ['hotels'] }, true],
  [{ default: 'approve', decline_above: '9' }, true],
] as const)('stand-in rules %j: that each can decide is %s', (stand_in, fits) => {
  const policy = applyPolicyPatch(DEFAULT_PROGRAM_POLICY, { partner_decision: { stand_in } });
  const problem = policyProblem(policy, ASSETS);
  if (fits) expect(problem).toBeNull();
  else expect(problem).toMatchObject({ pointer: '/partner_decision/stand_in' });
});

test('the default of hold days cannot be removed', () => {
  expect(applyPolicyPatch(DEFAULT_PROGRAM_POLICY, { hold_days: { default: null } }).hold_days.default).toBe(7);
});

test.each([
  [{ stablecoins: [] }, '/stablecoins'],
  [{ stablecoins: ['USDC', 'WETH'] }, '/stablecoins/1'],
  [{ stablecoins: ['DOGE'] }, '/stablecoins/0'],
  [
    { credit: { collateral: { USDC: { ltv_bps: 1, liquidation_threshold_bps: 2, liquidation_bonus_bps: 0 } } } },
    '/credit/collateral/USDC',
  ],
  [
    {
      credit: { collateral: { WETH: { ltv_bps: 7_500, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 0 } } },
    },
    '/credit/collateral/WETH/ltv_bps',
  ],
])('%j does not fit together', (patch, pointer) => {
  expect(policyProblem(applyPolicyPatch(DEFAULT_PROGRAM_POLICY, patch), ASSETS)?.pointer).toBe(pointer);
});

test('the loan-to-value may come as close as one basis point to its threshold', () => {
  const terms = { ltv_bps: 7_499, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 0 };
  const policy = applyPolicyPatch(DEFAULT_PROGRAM_POLICY, { credit: { collateral: { WETH: terms } } });
  expect(policyProblem(policy, ASSETS)).toBeNull();
});
