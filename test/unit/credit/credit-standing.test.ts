import { creditStanding } from '../../../services/credit/rules/credit-standing';
import { NOW, priceOf } from '../../builders/snapshots';

const RAY = 10n ** 27n;
const USDC = 1_000_000n;
const input = {
  collateral: { WETH: 10n ** 18n },
  terms: { WETH: { ltv_bps: 5_500, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 350 } },
  prices: { USDC: priceOf('USDC', 100_000_000n), WETH: priceOf('WETH', 300_000_000_000n) },
  decimals: { USDC: 6, WETH: 18 },
  borrowAsset: 'USDC',
  now: NOW,
};
const credit = { debtShares: 0n, loanHold: 0n, loanUnconfirmed: 0n, programIndexRay: RAY };

test('open holds count in full as debt, beside the debt without them', () => {
  const held = { ...credit, debtShares: 1_000n * USDC, loanUnconfirmed: 350n * USDC, loanHold: 600n * USDC };
  const { owed, drawn, withHolds } = creditStanding({ ...input, credit: held });
  expect(owed).toBe(1_000n * USDC);
  expect(drawn).toMatchObject({ debt: 1_350n * USDC, ltvBps: 4_500n, healthBps: 16_666n, bufferUsedBps: -5_000n });
  expect(withHolds).toMatchObject({ debt: 1_950n * USDC, ltvBps: 6_500n, healthBps: 11_538n, bufferUsedBps: 5_000n });
});

test('without debt nothing is used of a buffer, and there is no health to speak of', () => {
  const { drawn, withHolds } = creditStanding({ ...input, credit });
  for (const standing of [drawn, withHolds]) {
    expect(standing).toMatchObject({ debt: 0n, ltvBps: 0n, healthBps: null, bufferUsedBps: null });
  }
  const held = { ...credit, loanHold: 1n };
  expect(creditStanding({ ...input, credit: held }).drawn.bufferUsedBps).toBeNull();
  expect(creditStanding({ ...input, credit: held }).withHolds.bufferUsedBps).toBeLessThan(0n);
});

test('ratios go by the full borrow limit while the line itself shrinks with the age of prices', () => {
  const aging = {
    ...input.prices,
    WETH: priceOf('WETH', 300_000_000_000n, { observedAt: new Date(NOW.getTime() - 4_000_000) }),
  };
  const held = { ...credit, debtShares: 1_650n * USDC };
  const fresh = creditStanding({ ...input, credit: held });
  const old = creditStanding({ ...input, credit: held, prices: aging });
  expect(old.drawn).toEqual(fresh.drawn);
  expect(old.drawn.bufferUsedBps).toBe(0n);
  expect(old.collateral.borrowLimitUsdE8).toBeLessThan(fresh.collateral.borrowLimitUsdE8);
});
