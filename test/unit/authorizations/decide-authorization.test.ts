import fc from 'fast-check';
import type { SpendRequest } from '../../../services/authorizations/rules/decide-authorization';
import { decideAuthorization } from '../../../services/authorizations/rules/decide-authorization';
import {
  DECLINE_REASON_TEXT,
  DECLINE_REASONS,
  type DeclineReason,
} from '../../../services/authorizations/rules/decline-reason';
import { amountForHoldRoundDown, holdForAmountRoundUp } from '../../../services/authorizations/rules/hold-amount';
import type { SpendSnapshot } from '../../../services/authorizations/rules/spend-snapshot';
import { countAuthorization, countersNow, countersToStored } from '../../../services/cards/rules/limit-counters';
import { owedRoundUp } from '../../../services/credit/rules/loan-to-value';
import type { FundingSource } from '../../../services/funding/rules/funding-policy';
import {
  DEFAULT_PROGRAM_POLICY,
  type ProgramPolicy,
  type SpendLimits,
} from '../../../services/programs/rules/program-policy';
import { NOW, priceOf, requestOf, snapshotOf } from '../../builders/snapshots';

const card = snapshotOf().card;
if (!card) throw new Error('the builder gives a card');

function withPolicy(changes: Partial<ProgramPolicy>): Partial<SpendSnapshot> {
  return { policy: { ...DEFAULT_PROGRAM_POLICY, limits: {}, ...changes } };
}

function spentSoFar(amounts: readonly bigint[]): ReturnType<typeof countersToStored> {
  return countersToStored(amounts.reduce(countAuthorization, countersNow(null, NOW, 'Etc/UTC')));
}

describe('the first check that fails names the reason', () => {
  const cases: [string, DeclineReason, Partial<SpendSnapshot>, Partial<SpendRequest>][] = [
    ['program switched off', 'program_disabled', { programState: 'disabled' }, {}],
    ['other currency', 'unsupported_currency', {}, { currency: 'GBP' }],
    ['unknown kind', 'unsupported_transaction', {}, { kind: 'other' }],
    ['KYC expired', 'kyc_not_valid', { kycState: 'expired' }, {}],
    ['card paused', 'card_paused', { card: { ...card, state: 'paused' } }, {}],
    ['card closed', 'card_closed', { card: { ...card, state: 'closed' } }, {}],
    ['card not active yet', 'card_not_active', { card: { ...card, state: 'inactive' } }, {}],
    ['card past its month', 'card_expired', { card: { ...card, expiryMonth: 10, expiryYear: 2026 } }, {}],
    ['account suspended', 'account_suspended', { accountState: 'suspended' }, {}],
    ['account closed', 'account_closed', { accountState: 'closed' }, {}],
    ['one cent overdue', 'account_overdue', { overdueAmount: 1n }, {}],
    ['wrong security code', 'cvc_mismatch', {}, { cvc: 'mismatch' }],
    ['wrong address', 'avs_mismatch', withPolicy({ decline_on_avs_mismatch: true }), { avs: 'mismatch' }],
    ['blocked country', 'country_blocked', {}, { merchantCountry: 'IRN' }],
    [
      'country the card blocks',
      'country_blocked',
      { card: { ...card, controls: { blocked_merchant_countries: ['DEU'] } } },
      {},
    ],
    ['gambling', 'mcc_blocked', {}, { mcc: '7995' }],
    [
      'group the card does not allow',
      'mcc_blocked',
      { card: { ...card, controls: { allowed_merchant_groups: ['fuel'] } } },
      {},
    ],
    ['channel the card blocks', 'channel_blocked', { card: { ...card, controls: { blocked_channels: ['chip'] } } }, {}],
    [
      'count used up',
      'count_limit_exceeded',
      { ...withPolicy({ limits: { day_count: 1 } }), accountCounters: spentSoFar([100n]) },
      {},
    ],
    ['above the limit', 'amount_limit_exceeded', withPolicy({ limits: { per_transaction_amount: '4249' } }), {}],
    [
      'price disputed',
      'price_unavailable',
      {
        fundingPolicy: { mode: 'custom', sources: [{ kind: 'stablecoin', asset: 'USDC', keep: 0n }] },
        prices: { USDC: priceOf('USDC', 100_000_000n, { disputed: true }) },
      },
      {},
    ],
    [
      'no agreement',
      'credit_unavailable',
      { fundingPolicy: { mode: 'borrow', sources: [{ kind: 'loan', ltvMaxBps: null }] } },
      {},
    ],
    ['taken back before it came', 'late', {}, { endedBefore: true }],
    ['too little', 'insufficient_funds', { funds: { USDC: 42_000_000n } }, {}],
  ];

  test.each(cases)('%s → %s', (_, reason, snapshot, request) => {
    const decision = decideAuthorization(snapshotOf(snapshot), requestOf(4_250n, request), NOW);
    expect(decision).toMatchObject({
      outcome: 'declined',
      reason,
      approvedAmount: 0n,
      holdAmount: 0n,
      legs: [],
      counters: null,
    });
  });

  test('every pair of failing checks is named by the earlier one in the order of DECLINE_REASONS', () => {
    const combinable = cases.filter(
      ([, reason]) => DECLINE_REASONS.indexOf(reason) < DECLINE_REASONS.indexOf('amount_limit_exceeded'),
    );
    for (const [, first, firstSnapshot, firstRequest] of combinable) {
      for (const [, second, secondSnapshot, secondRequest] of combinable) {
        if (DECLINE_REASONS.indexOf(first) >= DECLINE_REASONS.indexOf(second)) continue;
        if (firstSnapshot.card && secondSnapshot.card) continue;
        if (firstSnapshot.policy && secondSnapshot.policy) continue;
        if (firstSnapshot.accountState && secondSnapshot.accountState) continue;
        const merged = snapshotOf({ ...secondSnapshot, ...firstSnapshot });
        const decision = decideAuthorization(merged, requestOf(4_250n, { ...secondRequest, ...firstRequest }), NOW);
        expect([first, second, decision.reason]).toEqual([first, second, first]);
      }
    }
  });

  test('every reason has its words', () => {
    expect(Object.keys(DECLINE_REASON_TEXT).sort()).toEqual([...DECLINE_REASONS].sort());
  });
});

describe('thresholds', () => {
  test('a card is good on the last instant of its month and expired on the next', () => {
    const expiring = snapshotOf({
      card: { ...card, expiryMonth: 11, expiryYear: 2026 },
      prices: {},
      fundingPolicy: { mode: 'custom', sources: [] },
    });
    const lastInstant = new Date('2026-11-30T23:59:59.999Z');
    expect(decideAuthorization(expiring, requestOf(100n), lastInstant).reason).not.toBe('card_expired');
    expect(decideAuthorization(expiring, requestOf(100n), new Date('2026-12-01T00:00:00Z')).reason).toBe(
      'card_expired',
    );
  });

  test.each([
    ['day_amount', '10000', 6_000n, 4_000n],
    ['week_amount', '10000', 6_000n, 4_000n],
    ['month_amount', '10000', 6_000n, 4_000n],
    ['year_amount', '10000', 6_000n, 4_000n],
    ['all_time_amount', '10000', 6_000n, 4_000n],
  ] as const)('%s of %s after %s: %s is approved, one cent more is not', (limit, value, spent, room) => {
    const snapshot = snapshotOf({
      ...withPolicy({ limits: { [limit]: value } as SpendLimits }),
      accountCounters: spentSoFar([spent]),
    });
    expect(decideAuthorization(snapshot, requestOf(room), NOW).outcome).toBe('approved');
    expect(decideAuthorization(snapshot, requestOf(room + 1n), NOW)).toMatchObject({
      reason: 'amount_limit_exceeded',
      largestAmount: room,
    });
  });

  test('limits of the card and of the account both count; yesterday does not', () => {
    const dayBefore = new Date(NOW.getTime() - 86_400_000);
    const yesterday = countersToStored(countAuthorization(countersNow(null, dayBefore, 'Etc/UTC'), 9_000n));
    const snapshot = snapshotOf({
      ...withPolicy({ limits: { day_amount: '10000' } }),
      accountCounters: yesterday,
      card: { ...card, controls: { limits: { month_amount: '10000' } }, counters: yesterday },
    });
    // The card's month still holds yesterday's 90.00, the account's day does not.
    expect(decideAuthorization(snapshot, requestOf(1_000n), NOW).outcome).toBe('approved');
    expect(decideAuthorization(snapshot, requestOf(1_001n), NOW).reason).toBe('amount_limit_exceeded');
  });

  test('the hold carries the allowance of the merchant, limits count the request only', () => {
    const restaurant = { mcc: '5812' };
    const snapshot = snapshotOf(withPolicy({ limits: { per_transaction_amount: '10000' } }));
    const decision = decideAuthorization(snapshot, requestOf(10_000n, restaurant), NOW);
    expect(decision).toMatchObject({ outcome: 'approved', approvedAmount: 10_000n, holdAmount: 12_000n });
    expect(decision.counters?.account.day.amount).toBe(10_000n);
  });

  test.each([
    ['5411', 7],
    ['5542', 1],
    ['7011', 30],
    ['3600', 30],
    ['4511', 30],
  ])('a hold at category %s runs %s days', (mcc, days) => {
    const decision = decideAuthorization(snapshotOf(), requestOf(100n, { mcc }), NOW);
    expect(decision.expiresAt?.getTime()).toBe(NOW.getTime() + days * 86_400_000);
  });
});

describe('answers without a hold', () => {
  test('a balance inquiry shows the largest amount that would be approved', () => {
    const decision = decideAuthorization(snapshotOf(), requestOf(0n, { kind: 'balance_inquiry' }), NOW);
    expect(decision).toMatchObject({ outcome: 'approved', holdAmount: 0n, legs: [], counters: null });
    const { balance } = decision;
    if (balance === null) throw new Error('no balance');
    expect(decideAuthorization(snapshotOf(), requestOf(balance), NOW).outcome).toBe('approved');
    expect(decideAuthorization(snapshotOf(), requestOf(balance + 1n), NOW).outcome).toBe('declined');
  });

  test('a zero-amount verification is approved on an empty account and refused on a paused card', () => {
    const verification = requestOf(0n, { kind: 'zero_amount_verification' });
    expect(decideAuthorization(snapshotOf({ funds: {} }), verification, NOW)).toMatchObject({
      outcome: 'approved',
      legs: [],
    });
    expect(decideAuthorization(snapshotOf({ card: { ...card, state: 'paused' } }), verification, NOW).reason).toBe(
      'card_paused',
    );
  });
});

describe('partial approval', () => {
  const short = { funds: { USDC: 20_100_000n }, ...withPolicy({ partial_approvals: true }) };

  test('is given up to the largest amount where terminal and program both allow it', () => {
    const decision = decideAuthorization(snapshotOf(short), requestOf(5_000n, { partialApprovalAllowed: true }), NOW);
    expect(decision).toMatchObject({ outcome: 'partially_approved', approvedAmount: 2_000n, holdAmount: 2_000n });
    expect(decision.legs.map((leg) => leg.amount)).toEqual([20_100_000n]);
  });

  test('is not given where either does not', () => {
    expect(decideAuthorization(snapshotOf(short), requestOf(5_000n), NOW).outcome).toBe('declined');
    const programDoesNot = snapshotOf({ funds: { USDC: 20_100_000n } });
    expect(decideAuthorization(programDoesNot, requestOf(5_000n, { partialApprovalAllowed: true }), NOW).outcome).toBe(
      'declined',
    );
  });
});

const source: fc.Arbitrary<FundingSource> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('stablecoin' as const),
      asset: fc.constantFrom('USDC', 'EURC'),
      keep: fc.bigInt(0n, 300_000_000n),
      maxShareBps: fc.integer({ min: 1, max: 10_000 }),
      maxPerPurchase: fc.bigInt(1n, 100_000n),
    },
    { requiredKeys: ['kind', 'asset', 'keep'] },
  ),
  fc.record(
    {
      kind: fc.constant('loan' as const),
      ltvMaxBps: fc.option(fc.integer({ min: 100, max: 6_000 })),
      maxDebt: fc.bigInt(1n, 2_000_000_000n),
      maxShareBps: fc.integer({ min: 1, max: 10_000 }),
    },
    { requiredKeys: ['kind', 'ltvMaxBps'] },
  ),
);

const snapshots = fc
  .record({
    sources: fc.uniqueArray(source, { selector: (each) => (each.kind === 'loan' ? 'loan' : each.asset), minLength: 1 }),
    usdc: fc.bigInt(0n, 2_000_000_000n),
    eurc: fc.bigInt(0n, 2_000_000_000n),
    weth: fc.bigInt(0n, 3n * 10n ** 18n),
    usdcPrice: fc.bigInt(97_000_000n, 103_000_000n),
    wethPrice: fc.bigInt(50_000_000_000n, 500_000_000_000n),
    wethAgeSeconds: fc.integer({ min: 0, max: 9_000 }),
    agreementAccepted: fc.boolean(),
    debtShares: fc.bigInt(0n, 1_000_000_000n),
    index: fc.bigInt(10n ** 27n, 2n * 10n ** 27n),
    loanHold: fc.bigInt(0n, 200_000_000n),
    loanUnconfirmed: fc.bigInt(0n, 200_000_000n),
    delegationLeft: fc.bigInt(0n, 3_000_000_000n),
    liquidity: fc.bigInt(0n, 3_000_000_000n),
    bufferBps: fc.integer({ min: 0, max: 300 }),
    spent: fc.array(fc.bigInt(1n, 50_000n), { maxLength: 3 }),
    dayLimit: fc.option(fc.bigInt(0n, 300_000n)),
  })
  .map((each) =>
    snapshotOf({
      policy: {
        ...DEFAULT_PROGRAM_POLICY,
        conversion_buffer_bps: each.bufferBps,
        limits: each.dayLimit === null ? {} : { day_amount: each.dayLimit.toString() },
      },
      fundingPolicy: { mode: 'custom', sources: each.sources },
      funds: { USDC: each.usdc, EURC: each.eurc },
      collateral: { WETH: each.weth },
      credit: {
        agreementAccepted: each.agreementAccepted,
        debtShares: each.debtShares,
        loanHold: each.loanHold,
        loanUnconfirmed: each.loanUnconfirmed,
        delegationLeft: each.delegationLeft,
        programIndexRay: each.index,
        availableLiquidity: each.liquidity,
      },
      accountCounters: spentSoFar(each.spent),
      prices: {
        USDC: priceOf('USDC', each.usdcPrice),
        EURC: priceOf('EURC', 108_000_000n),
        WETH: priceOf('WETH', each.wethPrice, { observedAt: new Date(NOW.getTime() - each.wethAgeSeconds * 1000) }),
      },
    }),
  );
const mccs = fc.constantFrom('5411', '5812', '7011', '5542');

describe('properties', () => {
  test('the largest amount is approved and one cent more is declined', () => {
    fc.assert(
      fc.property(snapshots, fc.bigInt(1n, 500_000n), mccs, (snapshot, amount, mcc) => {
        const { largestAmount } = decideAuthorization(snapshot, requestOf(amount, { mcc }), NOW);
        if (largestAmount > 0n) {
          expect(decideAuthorization(snapshot, requestOf(largestAmount, { mcc }), NOW).outcome).toBe('approved');
        }
        expect(decideAuthorization(snapshot, requestOf(largestAmount + 1n, { mcc }), NOW).outcome).toBe('declined');
      }),
      { numRuns: 1_000 },
    );
  });

  test('approved legs cover the hold exactly, within balances, floors and the credit line', () => {
    fc.assert(
      fc.property(snapshots, fc.bigInt(1n, 300_000n), mccs, (snapshot, amount, mcc) => {
        const decision = decideAuthorization(snapshot, requestOf(amount, { mcc }), NOW);
        if (decision.outcome !== 'approved') return;
        expect(decision.legs.reduce((sum, leg) => sum + leg.amountUsd, 0n)).toBe(decision.holdAmount);
        for (const leg of decision.legs) {
          if (leg.kind === 'stablecoin_sale') {
            const used = snapshot.fundingPolicy.sources.find(
              (each) => each.kind === 'stablecoin' && each.asset === leg.asset,
            );
            const keep = used?.kind === 'stablecoin' ? used.keep : 0n;
            expect(leg.amount).toBeLessThanOrEqual((snapshot.funds[leg.asset] ?? 0n) - keep);
          } else {
            const { credit } = snapshot;
            const debt =
              owedRoundUp(credit.debtShares, credit.programIndexRay ?? 0n) +
              credit.loanHold +
              credit.loanUnconfirmed +
              leg.amount;
            const collateralUsdE8 =
              ((snapshot.collateral['WETH'] ?? 0n) * (snapshot.prices['WETH']?.priceUsdE8 ?? 0n)) / 10n ** 18n;
            const usdcPrice = snapshot.prices['USDC']?.priceUsdE8 ?? 0n;
            const debtUsdE8 = (debt * (usdcPrice > 100_000_000n ? usdcPrice : 100_000_000n)) / 10n ** 6n;
            expect(debtUsdE8).toBeLessThanOrEqual((collateralUsdE8 * 5_500n) / 10_000n);
            expect(leg.amount + credit.loanHold + credit.loanUnconfirmed).toBeLessThanOrEqual(credit.delegationLeft);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('the hold of the largest amount is within the holdable, and one cent more is not', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 9n), mccs, (holdable, mcc) => {
        const policy = DEFAULT_PROGRAM_POLICY;
        const amount = amountForHoldRoundDown(holdable, mcc, policy);
        expect(holdForAmountRoundUp(amount, mcc, policy)).toBeLessThanOrEqual(holdable);
        expect(holdForAmountRoundUp(amount + 1n, mcc, policy)).toBeGreaterThan(holdable);
      }),
    );
  });
});
