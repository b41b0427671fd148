import fc from 'fast-check';
import {
  amendmentOf,
  type PurchaseStanding,
  snapshotForIncrement,
} from '../../../services/authorizations/rules/amendment';
import { decideAuthorization } from '../../../services/authorizations/rules/decide-authorization';
import { rulesOf } from '../../../services/authorizations/rules/rules-by-version';
import { required } from '../../../services/shared/assert';
import { NOW, requestOf, snapshotOf } from '../../builders/snapshots';

const standing = (change: Partial<PurchaseStanding> = {}): PurchaseStanding => ({
  state: 'pending',
  approved: 10_000n,
  cleared: 0n,
  reversed: 0n,
  ...change,
});

test.each([
  ['a difference comes on top', standing(), 2_500n, 'delta', { more: 2_500n, total: 10_000n, lapsed: 0n }],
  ['a total is the whole', standing(), 12_500n, 'total', { more: 2_500n, total: 10_000n, lapsed: 0n }],
  ['a lower total gives back', standing(), 7_000n, 'total', { more: -3_000n, total: 10_000n, lapsed: 0n }],
  [
    'what was given back is no part of the total',
    standing({ reversed: 4_000n }),
    6_000n,
    'total',
    { more: 0n, total: 6_000n, lapsed: 0n },
  ],
  [
    'a total below what was cleared gives back what is not',
    standing({ cleared: 3_000n }),
    2_000n,
    'total',
    { more: -7_000n, total: 10_000n, lapsed: 0n },
  ],
  [
    'of an expired purchase nothing is left',
    standing({ state: 'expired' }),
    5_000n,
    'delta',
    { more: 5_000n, total: 0n, lapsed: 10_000n },
  ],
  [
    'of a cleared one only what was cleared',
    standing({ state: 'cleared', cleared: 8_000n }),
    11_000n,
    'total',
    { more: 3_000n, total: 8_000n, lapsed: 2_000n },
  ],
  [
    'of a declined one nothing was approved',
    standing({ state: 'declined', approved: 0n }),
    5_000n,
    'total',
    { more: 5_000n, total: 0n, lapsed: 0n },
  ],
  [
    'cleared beyond what was approved: the total is what was cleared',
    standing({ cleared: 12_000n }),
    15_000n,
    'total',
    { more: 3_000n, total: 12_000n, lapsed: 0n },
  ],
] as const)('%s', (_name, purchase, amount, basis, expected) => {
  expect(amendmentOf(purchase, amount, basis)).toEqual(expected);
});

test('a total and the difference to it are the same message, and afterwards that total stands', () => {
  const states = fc.constantFrom('declined', 'pending', 'partially_cleared', 'cleared', 'reversed', 'expired');
  const cents = fc.bigInt(0n, 100_000n);
  fc.assert(
    fc.property(states, cents, cents, cents, cents, (state, approved, cleared, given, delta) => {
      const reversed = given > approved ? approved : given;
      const purchase = { state, approved, cleared, reversed } as const;
      const byDelta = amendmentOf(purchase, delta, 'delta');
      expect(amendmentOf(purchase, byDelta.total + delta, 'total')).toEqual(byDelta);
      const after = byDelta.total + reversed + byDelta.lapsed + delta;
      expect(after - reversed - byDelta.lapsed).toBe(byDelta.total + delta);
      expect(byDelta.total).toBeGreaterThanOrEqual(cleared);
    }),
  );
});

test('a status check is only a purchase’s first message: more on top of one holds what it says', () => {
  const snapshot = snapshotOf();
  const request = requestOf(100n, { mcc: '5542' });
  const first = decideAuthorization(snapshot, request, NOW);
  const more = decideAuthorization(
    snapshotForIncrement(snapshot, { total: 100n, begunAt: NOW, fixedFeeHeld: true, channel: 'chip', taken: [] }),
    request,
    NOW,
  );
  expect(more).toMatchObject({ outcome: 'approved', holdAmount: 100n });
  expect(first.holdAmount).toBeGreaterThanOrEqual(more.holdAmount);
});

test('ceilings of sources are for the whole purchase, and were each increment\u2019s own until rules 2026-11-4', () => {
  const fundingPolicy = {
    mode: 'custom',
    sources: [{ kind: 'stablecoin', asset: 'USDC', keep: 0n, maxPerPurchase: 10_000n }],
  } as const;
  const taken = [{ kind: 'stablecoin_sale', asset: 'USDC', amountUsd: 9_000n }] as const;
  const more = snapshotForIncrement(snapshotOf({ fundingPolicy }), {
    total: 9_000n,
    begunAt: NOW,
    fixedFeeHeld: true,
    channel: 'chip',
    taken,
  });
  const decided = (version: string) => rulesOf(version)(more, requestOf(9_000n), NOW).outcome;
  expect(decideAuthorization(more, requestOf(9_000n), NOW)).toMatchObject({
    outcome: 'declined',
    largestAmount: 1_000n,
    options: [{ rejection: 'purchase_ceiling', capacityUsd: 1_000n }],
  });
  expect(['2026-11-2', '2026-11-3', '2026-11-4'].map(decided)).toEqual(['approved', 'approved', 'declined']);
});

test('controls judge more of a purchase again, and did not until rules 2026-11-5', () => {
  const { card, ...snapshot } = snapshotOf();
  const controls = { blocked_merchants: ['merchant'] };
  const blocked = { ...snapshot, card: { ...required(card, 'card'), controls } };
  const purchase = { total: 9_000n, begunAt: NOW, fixedFeeHeld: true, channel: 'chip', taken: [] };
  const more = snapshotForIncrement(blocked, purchase);
  const decided = (version: string) => rulesOf(version)(more, requestOf(1_000n), NOW).reason;
  expect(['2026-11-2', '2026-11-3', '2026-11-4', '2026-11-5'].map(decided)).toEqual([
    null,
    null,
    null,
    'merchant_blocked',
  ]);
});

test('cash on top of a purchase without any holds the fixed part of its fee, and one that began with cash has it', () => {
  const snapshot = snapshotOf();
  const policy = { ...snapshot.policy, cash_withdrawal_fee: { fixed: '250', bps: 100 } };
  const cash = requestOf(5_000n, { kind: 'cash_withdrawal', channel: 'atm', cashAmount: 5_000n });
  const feeOf = (fixedFeeHeld: boolean, request = cash) => {
    const purchase = { total: 9_000n, begunAt: NOW, fixedFeeHeld, channel: 'chip', taken: [] };
    return decideAuthorization(snapshotForIncrement({ ...snapshot, policy }, purchase), request, NOW).feeAmount;
  };
  expect(feeOf(true)).toBe(50n);
  expect(feeOf(false)).toBe(300n);
  expect(feeOf(false, requestOf(5_000n))).toBe(0n);
});
