import { refundCurrency, trustedPrice } from '../../../services/authorizations/rules/trusted-price';
import { priceOf } from '../../builders/snapshots';

const NOW = new Date('2026-11-21T12:00:00Z');
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1_000);
const price = (asset: string, overrides: Parameters<typeof priceOf>[2] = {}) =>
  priceOf(asset, 50_000_000n, { observedAt: NOW, heartbeatSeconds: 60, ...overrides });
const isDollar = (asset: string) => asset === 'USDC';

test('a price is trusted up to twice its heartbeat, and not while it is disputed', () => {
  const at = (observedAt: Date) => trustedPrice('USDC', { USDC: price('USDC', { observedAt }) }, NOW);
  expect([at(ago(0)), at(ago(120)), at(ago(121))]).toEqual([50_000_000n, 50_000_000n, null]);
  expect(trustedPrice('USDC', { USDC: price('USDC', { disputed: true }) }, NOW)).toBeNull();
  expect(trustedPrice('USDC', {}, NOW)).toBeNull();
});

test('a refund goes by a trusted price, or a dollar for what stands for it', () => {
  const disputed = { disputed: true };
  const currency = (stablecoins: readonly string[], prices: Parameters<typeof refundCurrency>[1]) =>
    refundCurrency(stablecoins, prices, isDollar, NOW);
  expect(currency(['USDC'], { USDC: price('USDC') })).toEqual({ asset: 'USDC', priceUsdE8: 50_000_000n });
  expect(currency(['USDC'], { USDC: price('USDC', disputed) })).toEqual({ asset: 'USDC', priceUsdE8: 100_000_000n });
  expect(currency(['EURC', 'USDC'], { EURC: price('EURC', disputed) })).toEqual({
    asset: 'USDC',
    priceUsdE8: 100_000_000n,
  });
  expect(currency(['EURC'], { EURC: price('EURC', disputed) })).toEqual({ asset: 'EURC', priceUsdE8: 50_000_000n });
  expect(currency(['EURC'], {})).toBeNull();
});
