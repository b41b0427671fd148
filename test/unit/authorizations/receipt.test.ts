import fc from 'fast-check';
import {
  type Decision,
  decideAuthorization,
  type SpendRequest,
} from '../../../services/authorizations/rules/decide-authorization';
import {
  decisionInputsOf,
  marketOfRecord,
  marketRecord,
  type Receipt,
  receiptText,
} from '../../../services/authorizations/rules/receipt';
import { replay } from '../../../services/authorizations/rules/replay';
import type { SpendSnapshot } from '../../../services/authorizations/rules/spend-snapshot';
import type { StoredLimitCounters } from '../../../services/cards/rules/limit-counters';
import type { PendingControls } from '../../../services/cards/rules/spend-controls';
import type { CreditLine } from '../../../services/credit/rules/spending-power';
import type { FundingPolicy, FundingSource } from '../../../services/funding/rules/funding-policy';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from '../../../services/programs/rules/program-policy';
import { canonicalJson } from '../../../services/receipts/rules/canonical-json';
import { anyControls } from '../../builders/any-controls';
import { NOW, priceOf, requestOf, snapshotOf } from '../../builders/snapshots';

const HASH = 'a'.repeat(64);
const SUBJECT = { authorizationId: '0198f3c2-0000-7000-8000-000000000001', contentHash: 'b'.repeat(64) };

const instant = fc.integer({ min: -40 * 86_400, max: 3_600 }).map((seconds) => NOW.getTime() + seconds * 1_000);
const cents = fc.bigInt({ min: 0n, max: 3_000_000n });
const zone = fc.constantFrom('Etc/UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Pacific/Kiritimati');
/** The first value mostly, the others now and then. */
const mostly = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof({ weight: 15, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

/** Counters as rows keep them: of today's form, and of the form before. */
const window = fc.oneof(
  fc.tuple(instant, cents.map(String), fc.nat(20)),
  fc.tuple(instant, cents.map(String), fc.nat(20), zone),
  fc.record({
    start: instant.map((at) => new Date(at).toISOString()),
    amount: cents.map(String),
    count: fc.nat(20),
  }),
);
const counters = fc.record(
  {
    day: window,
    week: window,
    month: window,
    year: window,
    all_time: window,
    zone,
    recent: fc.array(fc.tuple(instant, cents.map(String), fc.constantFrom('5411', '5541')), { maxLength: 3 }),
    lock: fc.tuple(fc.constantFrom('M1', 'M2'), instant, fc.nat(3)),
    odometer: fc.oneof(
      fc.tuple(instant, cents.map(String)),
      fc.tuple(instant, cents.map(String), instant, cents.map(String)),
    ),
    at: instant,
  },
  { requiredKeys: ['day', 'week', 'month', 'year', 'all_time'] },
) as fc.Arbitrary<StoredLimitCounters>;

/** Most of them restrict nothing, so that enough is approved. */
const controls = fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, anyControls);
const pendingControls: fc.Arbitrary<PendingControls | null> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  fc.record({ controls: anyControls, effective_at: instant.map((at) => new Date(at).toISOString()) }),
);

const assets = ['USDC', 'EURC', 'WETH'] as const;
const amounts = fc.dictionary(
  fc.constantFrom(...assets),
  fc.oneof(fc.bigInt({ min: 0n, max: 5n * 10n ** 9n }), fc.bigInt({ min: 0n, max: 10n ** 22n })),
  { maxKeys: 3 },
);

const sources: fc.Arbitrary<FundingSource[]> = fc.uniqueArray(
  fc.oneof(
    fc.record({
      kind: fc.constant('stablecoin' as const),
      asset: fc.constantFrom('USDC', 'EURC', 'GONE'),
      keep: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 9n })),
    }),
    fc.record({ kind: fc.constant('loan' as const), ltvMaxBps: maybe(fc.integer({ min: 0, max: 6_000 })) }),
  ),
  { maxLength: 3, selector: (source) => (source.kind === 'loan' ? 'loan' : source.asset) },
);
const fundingPolicy: fc.Arbitrary<FundingPolicy> = fc.record({
  mode: fc.constantFrom('sell' as const, 'borrow' as const, 'custom' as const),
  sources,
});

const credit: fc.Arbitrary<CreditLine> = fc.record({
  agreementAccepted: fc.boolean(),
  debtShares: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 10n })),
  loanHold: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 9n })),
  loanUnconfirmed: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 9n })),
  delegationLeft: fc.bigInt({ min: 0n, max: 10n ** 30n }),
  programIndexRay: maybe(fc.bigInt({ min: 10n ** 27n, max: 2n * 10n ** 27n })),
  availableLiquidity: fc.bigInt({ min: 0n, max: 10n ** 15n }),
});

const policy: fc.Arbitrary<ProgramPolicy> = fc
  .record({
    partial: mostly(true, false),
    avs: fc.boolean(),
    creditEnabled: fc.boolean(),
    limits: fc.constantFrom({}, { day_amount: '200000' }, { week_count: 3, per_transaction_amount: '150000' }),
  })
  .map(({ partial, avs, creditEnabled, limits }) => ({
    ...DEFAULT_PROGRAM_POLICY,
    partial_approvals: partial,
    decline_on_avs_mismatch: avs,
    limits,
    credit: { ...DEFAULT_PROGRAM_POLICY.credit, enabled: creditEnabled },
  }));

const price = (asset: string, least: bigint, most: bigint) =>
  maybe(fc.record({ value: fc.bigInt({ min: least, max: most }), age: fc.nat(8_000), disputed: fc.boolean() })).map(
    (drawn) =>
      drawn === null
        ? null
        : priceOf(asset, drawn.value, {
            disputed: drawn.disputed && drawn.age % 4 === 0,
            observedAt: new Date(NOW.getTime() - drawn.age * 1_000),
          }),
  );

const snapshot: fc.Arbitrary<SpendSnapshot> = fc
  .record({
    programState: mostly<'active' | 'disabled'>('active', 'disabled'),
    currency: mostly('USD', 'EUR'),
    policyVersion: fc.nat(100),
    policy,
    kycState: mostly('approved', 'expired'),
    accountState: mostly<'active' | 'suspended'>('active', 'suspended'),
    overdueAmount: fc.oneof({ weight: 15, arbitrary: fc.constant(0n) }, cents),
    timeZone: zone,
    fundingPolicy,
    funds: amounts,
    collateral: amounts,
    credit,
    accountControls: controls,
    accountPendingControls: pendingControls,
    accountCounters: maybe(counters),
    programUsage: maybe(counters),
    card: maybe(
      fc.record({
        id: fc.constant('card'),
        state: mostly('active', 'paused'),
        expiryMonth: maybe(fc.integer({ min: 1, max: 12 })),
        expiryYear: maybe(mostly(2030, 2026, 2027)),
        productState: mostly<'active' | 'disabled' | null>(null, 'active', 'disabled'),
        controls,
        pendingControls,
        counters: maybe(counters),
      }),
    ),
    prices: fc.tuple(
      price('USDC', 90_000_000n, 110_000_000n),
      price('EURC', 90_000_000n, 120_000_000n),
      price('WETH', 1n, 10n ** 12n),
    ),
  })
  .map(({ prices, ...drawn }) =>
    snapshotOf({
      ...drawn,
      prices: Object.fromEntries(prices.flatMap((each) => (each ? [[each.asset, each]] : []))),
    }),
  );

const request: fc.Arbitrary<SpendRequest> = fc
  .record({
    kind: mostly<SpendRequest['kind']>(
      'authorization',
      'cash_withdrawal',
      'balance_inquiry',
      'zero_amount_verification',
      'refund_authorization',
      'other',
    ),
    currency: mostly('USD', 'EUR'),
    mcc: mostly('5411', '5812', '5541', '5542', '7011', '7995', 'odd"\\mcc'),
    merchantId: fc.oneof(fc.constantFrom('M1', 'M2', ''), fc.string({ unit: 'grapheme' })),
    merchantCountry: mostly('DEU', 'USA', 'IRN', ''),
    merchantCurrency: fc.constantFrom('USD', 'EUR', ''),
    channel: fc.constantFrom('ecommerce', 'chip', 'atm'),
    cashAmount: fc.oneof(fc.constant(0n), cents),
    fleet: maybe(
      fc.record({
        driverId: maybe(fc.constantFrom('D1', 'é"')),
        vehicleId: maybe(fc.constantFrom('V1', '')),
        odometer: maybe(cents),
        fuelVolumeMl: maybe(cents),
        fuelType: maybe(fc.constantFrom('diesel', 'unleaded')),
      }),
    ),
    partialApprovalAllowed: mostly(true, false),
    avs: mostly<SpendRequest['avs']>('not_provided', 'match', 'mismatch'),
    cvc: mostly<SpendRequest['cvc']>('match', 'mismatch', 'not_provided'),
    endedBefore: mostly(false, true),
    partner: maybe(
      fc.record({
        decision: mostly<'approve' | 'decline'>('approve', 'decline'),
        source: fc.constantFrom('partner' as const, 'stand_in' as const),
        cause: fc.constantFrom('answered' as const, 'timeout' as const),
        requestId: maybe(fc.constantFrom('question-1')),
        latencyMs: fc.nat(2_000),
      }),
    ) as fc.Arbitrary<SpendRequest['partner']>,
    amount: fc.oneof(fc.constant(0n), cents, fc.bigInt({ min: 1n, max: 10_000n })),
  })
  .map(({ amount, ...drawn }) => requestOf(amount, drawn));

function receiptOf(
  decided: SpendSnapshot,
  asked: SpendRequest,
  decision: Decision = decideAuthorization(decided, asked, NOW),
): string {
  return receiptText({ subject: SUBJECT, snapshot: decided, request: asked, decision, now: NOW, marketHash: HASH });
}

describe('the receipt of a decision', () => {
  test('is canonical JSON', () => {
    fc.assert(
      fc.property(snapshot, request, (decided, asked) => {
        const text = receiptOf(decided, asked);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
      { numRuns: 400 },
    );
  });

  test('holds everything the decision read: taken again from it, it is the same to the unit', () => {
    const outcomes = new Map<string, number>();
    fc.assert(
      fc.property(snapshot, request, (decided, asked) => {
        const decision = decideAuthorization(decided, asked, NOW);
        const receipt = JSON.parse(receiptOf(decided, asked, decision)) as Receipt;
        const inputs = decisionInputsOf(receipt, marketOfRecord(marketRecord(decided)), decided.policy);
        expect(decideAuthorization(inputs.snapshot, inputs.request, inputs.now)).toEqual(decision);
        expect(replay(receipt, marketRecord(decided), decided.policy).differences).toEqual([]);
        const outcome = decision.reason ?? decision.outcome;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }),
      { numRuns: 1_500 },
    );
    // The property would prove little if all of it were declined at the first check.
    expect([...outcomes.keys()]).toEqual(
      expect.arrayContaining(['approved', 'partially_approved', 'insufficient_funds', 'amount_limit_exceeded']),
    );
    expect(outcomes.size).toBeGreaterThan(15);
  });

  test('brings request and snapshot back as they were', () => {
    fc.assert(
      fc.property(snapshot, request, (decided, asked) => {
        const receipt = JSON.parse(receiptOf(decided, asked)) as Receipt;
        const inputs = decisionInputsOf(receipt, marketOfRecord(marketRecord(decided)), decided.policy);
        expect(inputs.request).toEqual(asked);
        expect(inputs.now).toEqual(NOW);
        const { credit: _credit, cardholderId: _holder, ...snapshotAgain } = inputs.snapshot;
        const { credit: _line, cardholderId: _unread, ...before } = decided;
        const zoned = (stored: StoredLimitCounters | null) => stored && { zone: decided.timeZone, ...stored };
        expect(snapshotAgain).toEqual({
          ...before,
          accountCounters: zoned(before.accountCounters),
          programUsage: zoned(before.programUsage),
          card: before.card && { ...before.card, counters: zoned(before.card.counters) },
        });
        if (decided.credit.agreementAccepted) expect(inputs.snapshot.credit).toEqual(decided.credit);
      }),
      { numRuns: 400 },
    );
  });

  test('of an ordinary purchase stays below 1.5 kB', () => {
    const today: StoredLimitCounters['day'] = [NOW.getTime(), '123456', 4];
    const spent = { day: today, week: today, month: today, year: today, all_time: today, zone: 'Europe/Berlin' };
    const uuid = '0198f3c2-0000-7000-8000-000000000001';
    const [base] = [snapshotOf()];
    const ordinary = snapshotOf({
      organizationId: uuid,
      accountId: uuid,
      programId: uuid,
      accountVersion: 1_234_567n,
      timeZone: 'Europe/Berlin',
      accountCounters: spent,
      card: base.card && { ...base.card, id: uuid, counters: spent },
    });
    const text = receiptOf(ordinary, requestOf(4_250n, { merchantId: '445566778899', cvc: 'match' }));
    expect(JSON.parse(text).outcome.result).toBe('approved');
    expect(Buffer.byteLength(text)).toBeLessThan(1_500);
  });

  test('a changed figure is told by name', () => {
    const decided = snapshotOf();
    const receipt = JSON.parse(receiptOf(decided, requestOf(4_250n))) as Receipt;
    const forged: Receipt = { ...receipt, outcome: { ...receipt.outcome, approved: '4251' } };
    expect(replay(forged, marketRecord(decided), decided.policy).differences).toEqual([
      { field: 'approved', stored: '"4251"', again: '"4250"' },
    ]);
  });

  test('rules that are not here are named', () => {
    const decided = snapshotOf();
    const receipt = JSON.parse(receiptOf(decided, requestOf(4_250n))) as Receipt;
    for (const rules of ['2020-01-1', 'toString']) {
      expect(() => replay({ ...receipt, rules }, marketRecord(decided), decided.policy)).toThrow(
        `no rules of version ${rules} here`,
      );
    }
  });
});
