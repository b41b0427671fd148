import fc from 'fast-check';
import type { FundingSource } from '../../../services/funding/rules/funding-policy';
import { planFunding, tokenToUsdRoundDown, usdToTokenRoundUp } from '../../../services/funding/rules/plan-funding';
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
