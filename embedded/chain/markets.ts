/** One asset of the development chain, with its market on Aave and the price its feed starts with. */
export interface Market {
  readonly code: string;
  readonly name: string;
  readonly decimals: number;
  /** `circle`: FiatTokenV2_2, `weth`: WETH9, `mintable`: a plain ERC-20 that anyone may mint. */
  readonly contract: 'circle' | 'weth' | 'mintable';
  readonly fiatCurrency?: string;
  /** USD with 8 decimals. */
  readonly priceE8: bigint;
  readonly ltvBps: number;
  readonly liquidationThresholdBps: number;
  readonly liquidationBonusBps: number;
  readonly borrowable: boolean;
  /** Whole tokens that the lender supplies, so that there is something to borrow. */
  readonly seedLiquidity: bigint;
}

/**
 * Limits are EtherFi Cash's published figures (WETH 55 / 75 / 3.5 %, WBTC-like 52 / 72 / 5 %, USDC 90 / 95 / 1 %).
 * It publishes none for EURC: a little under USDC, because it also moves against the dollar.
 */
export const markets: readonly Market[] = [
  {
    code: 'USDC',
    name: 'USD Coin',
    decimals: 6,
    contract: 'circle',
    fiatCurrency: 'USD',
    priceE8: 1_00000000n,
    ltvBps: 9_000,
    liquidationThresholdBps: 9_500,
    liquidationBonusBps: 100,
    borrowable: true,
    seedLiquidity: 5_000_000n,
  },
  {
    code: 'EURC',
    name: 'Euro Coin',
    decimals: 6,
    contract: 'circle',
    fiatCurrency: 'EUR',
    priceE8: 1_08000000n,
    ltvBps: 8_500,
    liquidationThresholdBps: 9_000,
    liquidationBonusBps: 200,
    borrowable: true,
    seedLiquidity: 1_000_000n,
  },
  {
    code: 'WETH',
    name: 'Wrapped Ether',
    decimals: 18,
    contract: 'weth',
    priceE8: 3_000_00000000n,
    ltvBps: 5_500,
    liquidationThresholdBps: 7_500,
    liquidationBonusBps: 350,
    borrowable: false,
    seedLiquidity: 0n,
  },
  {
    code: 'WBTC',
    name: 'Wrapped Bitcoin',
    decimals: 8,
    contract: 'mintable',
    priceE8: 60_000_00000000n,
    ltvBps: 5_200,
    liquidationThresholdBps: 7_200,
    liquidationBonusBps: 500,
    borrowable: false,
    seedLiquidity: 0n,
  },
];
