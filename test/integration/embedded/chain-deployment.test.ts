import { createPublicClient, getAddress, http, parseAbi } from 'viem';
import { ensureChainDeployment } from '../../../embedded/chain/deploy-chain';
import { openFaucet } from '../../../embedded/chain/faucet';
import { markets } from '../../../embedded/chain/markets';
import { required } from '../../../services/shared/assert';
import type { SharedChain } from '../../setup/anvil';
import { startOwnChain } from '../../setup/own-chain';

let chain: SharedChain & { stop(): Promise<void> };

beforeAll(async () => {
  chain = await startOwnChain();
});

afterAll(async () => {
  await chain.stop();
});

const tokenAbi = parseAbi([
  'function decimals() view returns (uint8)',
  'function symbol() view returns (string)',
  'function balanceOf(address) view returns (uint256)',
]);
const circleAbi = parseAbi([
  'function version() view returns (string)',
  'function currency() view returns (string)',
  'function authorizationState(address, bytes32) view returns (bool)',
]);
const dataProviderAbi = parseAbi([
  'function getReserveConfigurationData(address) view returns (uint256 decimals, uint256 ltv, uint256 liquidationThreshold, uint256 liquidationBonus, uint256 reserveFactor, bool usageAsCollateralEnabled, bool borrowingEnabled, bool stableBorrowRateEnabled, bool isActive, bool isFrozen)',
]);
const oracleAbi = parseAbi(['function getAssetPrice(address) view returns (uint256)']);
const poolAbi = parseAbi(['function getReserveNormalizedVariableDebt(address) view returns (uint256)']);
const feedAbi = parseAbi([
  'function decimals() view returns (uint8)',
  'function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)',
]);

function client() {
  return createPublicClient({ transport: http(chain.rpcUrl) });
}

test.each(markets)('$code: token, Aave limits, oracle and feed say what the market says', async (market) => {
  const { tokens, feeds, aave } = chain.deployment;
  const { address, decimals } = required(tokens[market.code], market.code);
  const feed = required(feeds[market.code], market.code);
  expect(decimals).toBe(market.decimals);
  expect(await client().readContract({ address, abi: tokenAbi, functionName: 'decimals' })).toBe(market.decimals);
  expect(await client().readContract({ address, abi: tokenAbi, functionName: 'symbol' })).toBe(market.code);
  const limits = await client().readContract({
    address: aave.poolDataProvider,
    abi: dataProviderAbi,
    functionName: 'getReserveConfigurationData',
    args: [address],
  });
  expect(limits.slice(1, 4)).toEqual([
    BigInt(market.ltvBps),
    BigInt(market.liquidationThresholdBps),
    BigInt(10_000 + market.liquidationBonusBps),
  ]);
  expect(limits[6]).toBe(market.borrowable);
  expect(await client().readContract({ address: feed, abi: feedAbi, functionName: 'decimals' })).toBe(8);
  const [, answer] = await client().readContract({ address: feed, abi: feedAbi, functionName: 'latestRoundData' });
  expect(answer).toBe(market.priceE8);
  const price = { address: aave.oracle, abi: oracleAbi, functionName: 'getAssetPrice', args: [address] } as const;
  expect(await client().readContract(price)).toBe(market.priceE8);
});

test.each([
  ['USDC', 'USD'],
  ['EURC', 'EUR'],
] as const)("%s is Circle's own contract, with authorizations by signature", async (code, currency) => {
  const { address } = required(chain.deployment.tokens[code], code);
  expect(await client().readContract({ address, abi: circleAbi, functionName: 'version' })).toBe('2');
  expect(await client().readContract({ address, abi: circleAbi, functionName: 'currency' })).toBe(currency);
  const args = [address, `0x${'0'.repeat(64)}`] as const;
  expect(await client().readContract({ address, abi: circleAbi, functionName: 'authorizationState', args })).toBe(
    false,
  );
});

test.each(['USDC', 'EURC', 'WETH', 'WBTC'])('the faucet gives %s', async (code) => {
  const owner = getAddress('0x00000000000000000000000000000000000000f1');
  const { address } = required(chain.deployment.tokens[code], code);
  await openFaucet(chain.deployment).give(code, owner, 12_345n);
  const balance = { address, abi: tokenAbi, functionName: 'balanceOf', args: [owner] } as const;
  expect(await client().readContract(balance)).toBe(12_345n);
});

test('a published price reaches the feed with its time, and the oracle of Aave', async () => {
  const feed = required(chain.deployment.feeds.WETH, 'WETH');
  const before = await client().readContract({ address: feed, abi: feedAbi, functionName: 'latestRoundData' });
  await openFaucet(chain.deployment).publishPrice('WETH', 2_100_00000000n, new Date('2026-01-02T03:04:05Z'));
  const after = await client().readContract({ address: feed, abi: feedAbi, functionName: 'latestRoundData' });
  expect(after[0]).toBe(before[0] + 1n);
  expect(after[1]).toBe(2_100_00000000n);
  expect(after[3]).toBe(BigInt(Date.parse('2026-01-02T03:04:05Z') / 1000));
  const args = [required(chain.deployment.tokens.WETH, 'WETH').address] as const;
  const price = { address: chain.deployment.aave.oracle, abi: oracleAbi, functionName: 'getAssetPrice', args } as const;
  expect(await client().readContract(price)).toBe(2_100_00000000n);
});

test('an old price is published again at the heartbeat, a young one is left alone', async () => {
  const feed = required(chain.deployment.feeds.WBTC, 'WBTC');
  const faucet = openFaucet(chain.deployment);
  const read = () => client().readContract({ address: feed, abi: feedAbi, functionName: 'latestRoundData' });
  const [youngRound] = await read();
  await faucet.refreshPrices(3_600);
  expect((await read())[0]).toBe(youngRound);
  await faucet.publishPrice('WBTC', 61_000_00000000n, new Date('2026-01-02T03:04:05Z'));
  await faucet.refreshPrices(3_600);
  const [round, answer, , updatedAt] = await read();
  expect([round, answer]).toEqual([youngRound + 2n, 61_000_00000000n]);
  expect(updatedAt).toBeGreaterThan(BigInt(Date.parse('2026-01-03T00:00:00Z') / 1000));
});

test('borrowing has a price from the start: the index of USDC stands above one', async () => {
  const args = [required(chain.deployment.tokens.USDC, 'USDC').address] as const;
  await client().request({ method: 'anvil_mine', params: ['0x2', '0x15180'] } as never);
  const index = await client().readContract({
    address: chain.deployment.aave.pool,
    abi: poolAbi,
    functionName: 'getReserveNormalizedVariableDebt',
    args,
  });
  expect(index).toBeGreaterThan(10n ** 27n);
});

test('a chain that is deployed already is not deployed again', async () => {
  const again = await ensureChainDeployment(chain.rpcUrl, chain.deploymentFile);
  expect(again).toEqual(chain.deployment);
});
