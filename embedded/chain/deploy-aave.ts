import { zeroAddress } from 'viem';
import type { ChainDeployment } from '../../services/chain/port';
import type { Hex } from '../../services/providers/custody/port';
import { required } from '../../services/shared/assert';
import { aaveArtifact, linked } from './artifacts';
import type { Market } from './markets';
import type { LocalAccount, TransactionBatch } from './transaction-batch';

const RAY = 10n ** 27n;
/** Part of the borrowers' interest that goes to the market's treasury, basis points. */
const RESERVE_FACTOR_BPS = 1_000n;

/** Interest of a borrowable reserve: 4 % at 90 % use, steep above. Stable-rate borrowing stays off. */
const rateStrategy = {
  optimalUsage: (RAY * 90n) / 100n,
  base: 0n,
  slope1: (RAY * 4n) / 100n,
  slope2: (RAY * 60n) / 100n,
  optimalStableToTotalDebt: (RAY * 20n) / 100n,
};

/**
 * Deploys Aave v3 with a reserve for each market, priced by the given feeds through Aave's own oracle. The order is
 * Aave's: addresses provider, libraries, roles, implementations, oracle, then the reserves.
 */
export async function deployAave(
  batch: TransactionBatch,
  admin: LocalAccount,
  markets: readonly Market[],
  tokens: Readonly<Record<string, Hex>>,
  feeds: Readonly<Record<string, Hex>>,
): Promise<ChainDeployment['aave']> {
  const providerArtifact = aaveArtifact('protocol/configuration', 'PoolAddressesProvider');
  const provider = await batch.deploy(providerArtifact, ['escudo-sandbox', admin.address]);
  const libraries = await deployLibraries(batch);

  await batch.call(provider, providerArtifact.abi, 'setACLAdmin', [admin.address]);
  const aclArtifact = aaveArtifact('protocol/configuration', 'ACLManager');
  const acl = await batch.deploy(aclArtifact, [provider]);
  await batch.call(provider, providerArtifact.abi, 'setACLManager', [acl]);
  await batch.call(acl, aclArtifact.abi, 'addPoolAdmin', [admin.address]);

  const poolArtifact = linked(aaveArtifact('protocol/pool', 'Pool'), libraries);
  const configuratorArtifact = linked(aaveArtifact('protocol/pool', 'PoolConfigurator'), libraries);
  const poolImplementation = await batch.deploy(poolArtifact, [provider]);
  const configuratorImplementation = await batch.deploy(configuratorArtifact);
  await batch.call(provider, providerArtifact.abi, 'setPoolImpl', [poolImplementation]);
  await batch.call(provider, providerArtifact.abi, 'setPoolConfiguratorImpl', [configuratorImplementation]);

  const oracle = await batch.deploy(aaveArtifact('misc', 'AaveOracle'), [
    provider,
    markets.map((market) => required(tokens[market.code], market.code)),
    markets.map((market) => required(feeds[market.code], market.code)),
    zeroAddress,
    zeroAddress,
    10n ** 8n,
  ]);
  await batch.call(provider, providerArtifact.abi, 'setPriceOracle', [oracle]);
  const dataProvider = await batch.deploy(aaveArtifact('misc', 'AaveProtocolDataProvider'), [provider]);
  await batch.call(provider, providerArtifact.abi, 'setPoolDataProvider', [dataProvider]);
  // The two proxies are made by the provider: their addresses are read back.
  await batch.settle();
  const readAddress = async (functionName: string): Promise<Hex> =>
    (await batch.client.readContract({
      address: provider,
      abi: providerArtifact.abi,
      functionName,
    })) as Hex;
  const pool = await readAddress('getPool');
  const configurator = await readAddress('getPoolConfigurator');

  await initialiseReserves(batch, { provider, pool, configurator, treasury: admin.address }, markets, tokens);
  await batch.settle();
  return {
    pool,
    poolAddressesProvider: provider,
    poolDataProvider: dataProvider,
    oracle,
  };
}

async function deployLibraries(batch: TransactionBatch): Promise<Record<string, Hex>> {
  const libraries: Record<string, Hex> = {};
  // FlashLoanLogic calls BorrowLogic, so it comes after.
  for (const name of ['Supply', 'Borrow', 'Liquidation', 'EMode', 'Bridge', 'Pool', 'Configurator', 'FlashLoan']) {
    const library = `${name}Logic`;
    const artifact = linked(aaveArtifact('protocol/libraries/logic', library), libraries);
    libraries[library] = await batch.deploy(artifact);
  }
  return libraries;
}

async function initialiseReserves(
  batch: TransactionBatch,
  aave: {
    readonly provider: Hex;
    readonly pool: Hex;
    readonly configurator: Hex;
    readonly treasury: Hex;
  },
  markets: readonly Market[],
  tokens: Readonly<Record<string, Hex>>,
): Promise<void> {
  const tokenization = 'protocol/tokenization';
  const aToken = await batch.deploy(aaveArtifact(tokenization, 'AToken'), [aave.pool]);
  const variableDebt = await batch.deploy(aaveArtifact(tokenization, 'VariableDebtToken'), [aave.pool]);
  // Never borrowed from, and still required: the pool reads its supply at every update of a reserve.
  const stableDebt = await batch.deploy(aaveArtifact(tokenization, 'StableDebtToken'), [aave.pool]);
  const strategy = await batch.deploy(aaveArtifact('protocol/pool', 'DefaultReserveInterestRateStrategy'), [
    aave.provider,
    rateStrategy.optimalUsage,
    rateStrategy.base,
    rateStrategy.slope1,
    rateStrategy.slope2,
    0n,
    0n,
    0n,
    0n,
    rateStrategy.optimalStableToTotalDebt,
  ]);
  const { abi } = aaveArtifact('protocol/pool', 'PoolConfigurator');
  await batch.call(aave.configurator, abi, 'initReserves', [
    markets.map((market) => ({
      aTokenImpl: aToken,
      stableDebtTokenImpl: stableDebt,
      variableDebtTokenImpl: variableDebt,
      underlyingAssetDecimals: market.decimals,
      interestRateStrategyAddress: strategy,
      underlyingAsset: required(tokens[market.code], market.code),
      treasury: aave.treasury,
      incentivesController: zeroAddress,
      aTokenName: `Aave ${market.code}`,
      aTokenSymbol: `a${market.code}`,
      variableDebtTokenName: `Aave Variable Debt ${market.code}`,
      variableDebtTokenSymbol: `variableDebt${market.code}`,
      stableDebtTokenName: `Aave Stable Debt ${market.code}`,
      stableDebtTokenSymbol: `stableDebt${market.code}`,
      params: '0x10',
    })),
  ]);
  for (const market of markets) {
    const asset = required(tokens[market.code], market.code);
    await batch.call(aave.configurator, abi, 'configureReserveAsCollateral', [
      asset,
      BigInt(market.ltvBps),
      BigInt(market.liquidationThresholdBps),
      BigInt(10_000 + market.liquidationBonusBps),
    ]);
    if (!market.borrowable) continue;
    await batch.call(aave.configurator, abi, 'setReserveBorrowing', [asset, true]);
    await batch.call(aave.configurator, abi, 'setReserveFactor', [asset, RESERVE_FACTOR_BPS]);
  }
}
