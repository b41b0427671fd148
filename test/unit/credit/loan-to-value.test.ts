import {
  debtValueUsdE8RoundUp,
  loanHealth,
  owedRoundUp,
  valueCollateral,
} from '../../../services/credit/rules/loan-to-value';
import { priceState } from '../../../services/credit/rules/price-state';
import { type SpendingPowerInput, spendingPower } from '../../../services/credit/rules/spending-power';
import { DEFAULT_PROGRAM_POLICY } from '../../../services/programs/rules/program-policy';
import { NOW, priceOf, snapshotOf } from '../../builders/snapshots';

const terms = DEFAULT_PROGRAM_POLICY.credit.collateral;
const decimals = snapshotOf().decimals;
const USD = 100_000_000n;

function aged(seconds: number) {
  return priceOf('WETH', 3_000n * USD, { observedAt: new Date(NOW.getTime() - seconds * 1000) });
}

describe('price states', () => {
  test.each([
    [3_600, 'fresh'],
    [3_601, 'aging'],
    [7_200, 'aging'],
    [7_201, 'stale'],
  ])('a price %s s old with a heartbeat of an hour is %s', (seconds, state) => {
    expect(priceState(aged(seconds), NOW)).toBe(state);
  });

  test('a disputed price stays disputed however fresh, and no price is missing', () => {
    expect(priceState(priceOf('WETH', USD, { disputed: true }), NOW)).toBe('disputed');
    expect(priceState(undefined, NOW)).toBe('missing');
  });
});

describe('collateral', () => {
  const oneWeth = { WETH: 10n ** 18n };

  test.each([
    [0, 1_650n * USD],
    [3_601, 1_485n * USD],
    [7_201, 0n],
  ])('with a price %s s old one WETH at 3000 carries a borrow limit of %s', (seconds, limit) => {
    const summary = valueCollateral(oneWeth, terms, { WETH: aged(seconds) }, decimals, NOW);
    expect(summary).toMatchObject({
      valueUsdE8: 3_000n * USD,
      borrowLimitUsdE8: limit,
      liquidationLimitUsdE8: 2_250n * USD,
    });
  });

  test('an asset without terms counts for nothing, and value is rounded down', () => {
    expect(valueCollateral({ EURC: 10n ** 9n }, terms, { EURC: priceOf('EURC', USD) }, decimals, NOW).valueUsdE8).toBe(
      0n,
    );
    expect(valueCollateral({ WETH: 1n }, terms, { WETH: aged(0) }, decimals, NOW).valueUsdE8).toBe(0n);
  });
});

describe('debt', () => {
  test('is rounded up, and a borrowed stablecoin never counts for less than a dollar', () => {
    expect(owedRoundUp(1n, 10n ** 27n + 1n)).toBe(2n);
    expect(debtValueUsdE8RoundUp(1_000_000n, 97_000_000n, 6)).toBe(USD);
    expect(debtValueUsdE8RoundUp(1_000_000n, 101_000_000n, 6)).toBe(101_000_000n);
    expect(debtValueUsdE8RoundUp(1n, USD, 6)).toBe(100n);
  });

  test('health, LTV and the share of the buffer used', () => {
    const at = (debt: bigint) =>
      loanHealth({
        debtUsdE8: debt * USD,
        valueUsdE8: 3_000n * USD,
        borrowLimitUsdE8: 1_650n * USD,
        liquidationLimitUsdE8: 2_250n * USD,
      });
    expect(at(1_650n)).toEqual({ ltvBps: 5_500n, healthBps: 13_636n, bufferUsedBps: 0n });
    expect(at(2_250n)).toEqual({ ltvBps: 7_500n, healthBps: 10_000n, bufferUsedBps: 10_000n });
    expect(at(1_950n).bufferUsedBps).toBe(5_000n);
    expect(at(1_350n).bufferUsedBps).toBe(-5_000n);
    expect(at(0n)).toMatchObject({ ltvBps: 0n, healthBps: null });
  });
});

describe('spending power', () => {
  const base: SpendingPowerInput = {
    credit: { ...snapshotOf().credit, agreementAccepted: true },
    collateral: { WETH: 10n ** 18n },
    terms,
    prices: { WETH: aged(0), USDC: priceOf('USDC', USD) },
    decimals,
    borrowAsset: 'USDC',
    ltvMaxBps: null,
    now: NOW,
  };
  const withCredit = (credit: Partial<SpendingPowerInput['credit']>) =>
    spendingPower({ ...base, credit: { ...base.credit, ...credit } });

  test('is the borrow limit less debt, holds and unconfirmed draws', () => {
    expect(spendingPower(base)).toMatchObject({ available: 1_650_000_000n, limitedBy: 'borrow_limit' });
    expect(
      withCredit({ debtShares: 100_000_000n, loanHold: 200_000_000n, loanUnconfirmed: 300_000_000n }).available,
    ).toBe(1_050_000_000n);
    expect(withCredit({ debtShares: 2_000_000_000n }).available).toBe(0n);
  });

  test('is bounded by delegation and liquidity, each less what is held already', () => {
    expect(withCredit({ delegationLeft: 500n, loanHold: 200n })).toMatchObject({
      available: 300n,
      limitedBy: 'delegation',
    });
    expect(withCredit({ availableLiquidity: 500n, loanUnconfirmed: 200n })).toMatchObject({
      available: 300n,
      limitedBy: 'liquidity',
    });
  });

  test('stops at the account’s own LTV', () => {
    expect(spendingPower({ ...base, ltvMaxBps: 4_000 })).toMatchObject({
      available: 1_200_000_000n,
      limitedBy: 'account_ltv',
    });
  });

  test('is nothing without an agreement, an index or a price', () => {
    expect(withCredit({ agreementAccepted: false })).toMatchObject({ available: 0n, limitedBy: 'no_agreement' });
    expect(withCredit({ programIndexRay: null })).toMatchObject({ available: 0n, limitedBy: 'no_index' });
    expect(spendingPower({ ...base, prices: { WETH: aged(0) } })).toMatchObject({
      available: 0n,
      limitedBy: 'no_price',
    });
  });
});
