import fc from 'fast-check';
import type { FundingSource } from '../../../services/funding/rules/funding-policy';
import {
  OPTION_REJECTION_TEXT,
  OPTION_REJECTIONS,
  optionsOutsidePolicy,
  planFunding,
  type SourceTaken,
  tokenToUsdRoundDown,
  usdToTokenRoundUp,
} from '../../../services/funding/rules/plan-funding';
import { NOW, priceOf, snapshotOf } from '../../builders/snapshots';

const USD = 100_000_000n;

function plan(
  amountUsd: bigint,
  sources: readonly FundingSource[],
  overrides: Parameters<typeof snapshotOf>[0] = {},
  bufferBps = 0,
) {
  return planFunding(
    snapshotOf({ fundingPolicy: { mode: 'custom', sources }, ...overrides }),
    amountUsd,
    bufferBps,
    NOW,
  );
}

const usdc: FundingSource = { kind: 'stablecoin', asset: 'USDC', keep: 0n };
const eurc: FundingSource = { kind: 'stablecoin', asset: 'EURC', keep: 0n };
const loan: FundingSource = { kind: 'loan', ltvMaxBps: null };
const withCredit = { collateral: { WETH: 10n ** 18n }, credit: { ...snapshotOf().credit, agreementAccepted: true } };

describe('a plan', () => {
  test('takes each source as far as it reaches, in order, and says why not further', () => {
    const result = plan(60_000n, [usdc, eurc, loan], {
      ...withCredit,
      funds: { USDC: 500_000_000n, EURC: 50_000_000n },
    });
    expect(result.covered).toBe(true);
    expect(result.legs).toEqual([
      { kind: 'stablecoin_sale', asset: 'USDC', amount: 500_000_000n, amountUsd: 50_000n, priceUsdE8: USD },
      { kind: 'stablecoin_sale', asset: 'EURC', amount: 50_000_000n, amountUsd: 5_400n, priceUsdE8: 108_000_000n },
      { kind: 'loan_draw', asset: 'USDC', amount: 46_000_000n, amountUsd: 4_600n, priceUsdE8: USD },
    ]);
    expect(result.options.map((each) => each.rejection)).toEqual(['empty', 'empty', null]);
  });

  test('keeps what the policy keeps', () => {
    const keep: FundingSource = { kind: 'stablecoin', asset: 'USDC', keep: 200_000_000n };
    expect(plan(30_000n, [keep])).toMatchObject({ covered: true, capacityUsd: 30_000n });
    const short = plan(30_001n, [keep]);
    expect(short.covered).toBe(false);
    expect(short.options[0]?.rejection).toBe('kept_by_policy');
  });

  test('does not need what comes after the amount is covered', () => {
    expect(plan(100n, [usdc, loan], withCredit).options.map((each) => each.rejection)).toEqual([null, 'not_needed']);
  });

  test('a stale stablecoin is still sold, with more of it held; a disputed one is not', () => {
    const stale = { USDC: priceOf('USDC', USD, { observedAt: new Date(NOW.getTime() - 7_201_000) }) };
    expect(plan(10_000n, [usdc], { prices: stale }).legs[0]?.amount).toBe(102_000_000n);
    const disputed = { USDC: priceOf('USDC', USD, { disputed: true }) };
    expect(plan(10_000n, [usdc], { prices: disputed }).options[0]?.rejection).toBe('price_unavailable');
  });

  test('no loan is drawn on a stale price of the borrowed asset', () => {
    const stale = {
      USDC: priceOf('USDC', USD, { observedAt: new Date(NOW.getTime() - 7_201_000) }),
      WETH: priceOf('WETH', 3_000n * USD),
    };
    expect(plan(100n, [loan], { ...withCredit, prices: stale }).options[0]?.rejection).toBe('price_unavailable');
  });
});

describe('ceilings', () => {
  test('a purchase takes no more from a source than its ceiling, and the next one goes on', () => {
    const result = plan(30_000n, [{ ...usdc, maxPerPurchase: 10_000n }, eurc], {
      funds: { USDC: 500_000_000n, EURC: 500_000_000n },
    });
    expect(result.legs.map((leg) => [leg.asset, leg.amountUsd])).toEqual([
      ['USDC', 10_000n],
      ['EURC', 20_000n],
    ]);
    expect(result.options.map((each) => each.rejection)).toEqual(['purchase_ceiling', null]);
  });

  test('a share is of the purchase, rounded up', () => {
    const result = plan(10_001n, [{ ...usdc, maxShareBps: 5_000 }, eurc], {
      funds: { USDC: 500_000_000n, EURC: 500_000_000n },
    });
    expect(result.legs.map((leg) => leg.amountUsd)).toEqual([5_001n, 5_000n]);
    expect(result.options.map((each) => each.rejection)).toEqual(['share_ceiling', null]);
  });

  test('a source that may give a quarter at most limits the purchase to four thirds of the other', () => {
    const sources: readonly FundingSource[] = [{ ...usdc, maxShareBps: 2_500 }, eurc];
    const funds = { USDC: 500_000_000n, EURC: 100_000_000n };
    expect(plan(1n, sources, { funds }).capacityUsd).toBe(14_400n);
    expect(plan(14_400n, sources, { funds }).covered).toBe(true);
    expect(plan(14_401n, sources, { funds }).covered).toBe(false);
  });

  test('debt stays at the account’s own ceiling, open holds counted', () => {
    const ceiling: FundingSource = { ...loan, maxDebt: 100_000_000n };
    const credit = {
      ...withCredit.credit,
      debtShares: 30_000_000n,
      loanUnconfirmed: 10_000_000n,
      loanHold: 5_000_000n,
    };
    expect(plan(5_500n, [ceiling], { ...withCredit, credit })).toMatchObject({ covered: true, capacityUsd: 5_500n });
    expect(plan(5_501n, [ceiling], { ...withCredit, credit }).options[0]?.rejection).toBe('account_debt');
  });

  test('what is covered reaches without a gap to the capacity, whatever the ceilings', () => {
    const sources = fc.uniqueArray(
      fc.record({
        asset: fc.constantFrom('USDC', 'EURC', 'loan'),
        maxShareBps: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
        maxPerPurchase: fc.option(fc.bigInt(1n, 300n), { nil: undefined }),
      }),
      { selector: (each) => each.asset, minLength: 1 },
    );
    fc.assert(
      fc.property(sources, fc.bigInt(0n, 3_000_000n), fc.bigInt(0n, 3_000_000n), (drawn, usdcHeld, eurcHeld) => {
        const list = drawn.map(({ asset, maxShareBps, maxPerPurchase }): FundingSource => {
          const ceilings = {
            ...(maxShareBps === undefined ? {} : { maxShareBps }),
            ...(maxPerPurchase === undefined ? {} : { maxPerPurchase }),
          };
          return asset === 'loan'
            ? { kind: 'loan', ltvMaxBps: null, maxDebt: 2_000_000n, ...ceilings }
            : { kind: 'stablecoin', asset, keep: 0n, ...ceilings };
        });
        const overrides = { ...withCredit, funds: { USDC: usdcHeld, EURC: eurcHeld } };
        const { capacityUsd } = plan(1n, list, overrides);
        for (let amount = 1n; amount <= capacityUsd; amount += 1n) {
          const covered = plan(amount, list, overrides);
          expect(covered.covered).toBe(true);
          expect(covered.legs.reduce((sum, leg) => sum + leg.amountUsd, 0n)).toBe(amount);
        }
        expect(plan(capacityUsd + 1n, list, overrides).covered).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});

describe('more of a purchase', () => {
  const funds = { USDC: 500_000_000n, EURC: 500_000_000n };
  const taken = (asset: string, amountUsd: bigint, kind: SourceTaken['kind'] = 'stablecoin_sale') => ({
    kind,
    asset,
    amountUsd,
  });

  test('gets what is left of a source\u2019s ceiling', () => {
    const sources: readonly FundingSource[] = [{ ...usdc, maxPerPurchase: 10_000n }, eurc];
    const more = plan(9_000n, sources, { funds, takenBefore: [taken('USDC', 9_000n)] });
    expect(more.legs.map((leg) => [leg.asset, leg.amountUsd])).toEqual([
      ['USDC', 1_000n],
      ['EURC', 8_000n],
    ]);
    expect(more.options[0]).toMatchObject({ capacityUsd: 1_000n, rejection: 'purchase_ceiling' });
    const beyond = plan(9_000n, sources, { funds, takenBefore: [taken('USDC', 12_000n)] });
    expect(beyond.legs.map((leg) => [leg.asset, leg.amountUsd])).toEqual([['EURC', 9_000n]]);
  });

  test('a loan is one source, whatever was borrowed; what no source covered is part of the purchase alone', () => {
    const sources: readonly FundingSource[] = [{ ...loan, maxShareBps: 5_000 }, usdc];
    const takenBefore = [taken('EURC', 1_000n, 'loan_draw'), taken('USD', 1_000n, 'overdue')];
    const more = plan(1_000n, sources, { ...withCredit, funds, takenBefore });
    expect(more.legs.map((leg) => [leg.kind, leg.amountUsd])).toEqual([
      ['loan_draw', 500n],
      ['stablecoin_sale', 500n],
    ]);
  });

  test('whatever the purchase has by now, what is covered reaches without a gap to the capacity', () => {
    const source = fc.record({
      maxShareBps: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
      maxPerPurchase: fc.option(fc.bigInt(1n, 400n), { nil: undefined }),
      free: fc.bigInt(0n, 2_000_000n),
      before: fc.bigInt(0n, 200n),
    });
    fc.assert(
      fc.property(source, source, source, fc.bigInt(0n, 100n), (first, second, third, elsewhere) => {
        const drawn = [first, second, third].map((each, index) => ({ ...each, asset: `T${index}` }));
        const sources = drawn.map(
          ({ free: _free, before: _before, ...each }) => ({ kind: 'stablecoin', keep: 0n, ...each }) as FundingSource,
        );
        const overrides = {
          funds: Object.fromEntries(drawn.map(({ asset, free }) => [asset, free])),
          prices: Object.fromEntries(drawn.map(({ asset }) => [asset, priceOf(asset, USD)])),
          decimals: Object.fromEntries(drawn.map(({ asset }) => [asset, 6])),
          takenBefore: [...drawn.map(({ asset, before }) => taken(asset, before)), taken('USD', elsewhere, 'overdue')],
        };
        const { capacityUsd } = plan(1n, sources, overrides);
        for (let amount = 1n; amount <= capacityUsd; amount += 1n) {
          const { covered, legs } = plan(amount, sources, overrides);
          expect(covered).toBe(true);
          expect(legs.reduce((cents, leg) => cents + leg.amountUsd, 0n)).toBe(amount);
        }
        for (let beyond = 1n; beyond < 900n; beyond += 7n) {
          expect(plan(capacityUsd + beyond, sources, overrides).covered).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('in however many parts it is asked for, no source gives beyond its ceilings, and none is refused that fits', () => {
    const ceilings = fc.record({
      maxShareBps: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
      maxPerPurchase: fc.option(fc.bigInt(1n, 400n), { nil: undefined }),
    });
    const amounts = fc.array(fc.bigInt(1n, 120n), { minLength: 1, maxLength: 6 });
    const held = fc.bigInt(0n, 4_000_000n);
    fc.assert(
      fc.property(ceilings, ceilings, held, held, amounts, (ofUsdc, ofEurc, usdcHeld, eurcHeld, asked) => {
        const sources = [
          { ...usdc, ...ofUsdc },
          { ...eurc, ...ofEurc },
        ] as readonly FundingSource[];
        const left: Record<string, bigint> = { USDC: usdcHeld, EURC: eurcHeld };
        const sum: Record<string, bigint> = { USDC: 0n, EURC: 0n };
        let total = 0n;
        for (const amount of asked) {
          const takenBefore = Object.entries(sum).map(([asset, amountUsd]) => taken(asset, amountUsd));
          const part = plan(amount, sources, { funds: { ...left }, takenBefore });
          for (let fits = 1n; fits <= part.capacityUsd && fits <= 300n; fits += 23n) {
            expect(plan(fits, sources, { funds: { ...left }, takenBefore }).covered).toBe(true);
          }
          expect(plan(part.capacityUsd + 1n, sources, { funds: { ...left }, takenBefore }).covered).toBe(false);
          if (!part.covered) continue;
          expect(part.legs.reduce((cents, leg) => cents + leg.amountUsd, 0n)).toBe(amount);
          total += amount;
          for (const leg of part.legs) {
            left[leg.asset] = (left[leg.asset] ?? 0n) - leg.amount;
            sum[leg.asset] = (sum[leg.asset] ?? 0n) + leg.amountUsd;
          }
          for (const source of sources) {
            const used = sum[source.kind === 'loan' ? '' : source.asset] ?? 0n;
            if (source.maxPerPurchase !== undefined) expect(used <= source.maxPerPurchase).toBe(true);
            const share = (total * BigInt(source.maxShareBps ?? 10_000) + 9_999n) / 10_000n;
            expect(used <= share).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('small parts', () => {
  const policy = { ...snapshotOf().policy, min_leg_amount: '500' };

  test('grow at the expense of what comes before them', () => {
    const funds = { USDC: 50_000_000n, EURC: 50_000_000n };
    expect(plan(5_001n, [usdc, eurc], { funds, policy }).legs.map((leg) => leg.amountUsd)).toEqual([4_501n, 500n]);
    expect(plan(5_000n, [usdc, eurc], { funds, policy }).legs.map((leg) => leg.amountUsd)).toEqual([5_000n]);
    expect(plan(5_600n, [usdc, eurc], { funds, policy }).legs.map((leg) => leg.amountUsd)).toEqual([5_000n, 600n]);
  });

  test('are made all the same where nothing else covers the purchase', () => {
    const funds = { USDC: 6_000_000n, EURC: 1_000_000n };
    expect(plan(601n, [usdc, eurc], { funds, policy }).legs.map((leg) => leg.amountUsd)).toEqual([500n, 101n]);
    expect(plan(708n, [usdc, eurc], { funds, policy }).covered).toBe(true);
    expect(plan(709n, [usdc, eurc], { funds, policy }).covered).toBe(false);
  });
});

test('sources outside the policy are named with what they could give', () => {
  const inputs = snapshotOf({
    ...withCredit,
    funds: { USDC: 1_000_000n, EURC: 10_000_000n },
    fundingPolicy: { mode: 'custom', sources: [usdc] },
  });
  expect(optionsOutsidePolicy(inputs, 0, NOW)).toEqual([
    { kind: 'stablecoin_sale', asset: 'EURC', capacityUsd: 1_080n, usedUsd: 0n, rejection: 'not_in_policy' },
    { kind: 'loan_draw', asset: 'USDC', capacityUsd: 165_000n, usedUsd: 0n, rejection: 'not_in_policy' },
  ]);
});

test('every reason has words for people', () => {
  for (const reason of OPTION_REJECTIONS) expect(OPTION_REJECTION_TEXT[reason]).toMatch(/^[A-Z].*\.$/);
});

describe('conversion', () => {
  test('tokenToUsdRoundDown is the exact bound of usdToTokenRoundUp', () => {
    const prices = fc.bigInt(1n, 10n ** 14n);
    fc.assert(
      fc.property(
        fc.bigInt(0n, 10n ** 15n),
        prices,
        fc.constantFrom(6, 8, 18),
        fc.integer({ min: 0, max: 500 }),
        (amount, price, decimals, buffer) => {
          const cents = tokenToUsdRoundDown(amount, price, decimals, buffer);
          expect(usdToTokenRoundUp(cents, price, decimals, buffer)).toBeLessThanOrEqual(amount);
          expect(usdToTokenRoundUp(cents + 1n, price, decimals, buffer)).toBeGreaterThan(amount);
        },
      ),
    );
  });
});
