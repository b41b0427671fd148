import { maxUint256 } from 'viem';
import type { Hex } from '../../services/providers/custody/port';
import { aaveArtifact, chainlinkFeedArtifact, linked, stablecoinArtifact } from './artifacts';
import type { Market } from './markets';
import { type LocalAccount, sandboxAccount, type TransactionBatch } from './transaction-batch';

const FEED_DECIMALS = 8;

/** Deploys the token of each market; `faucet` may mint every one of them. Returns addresses by asset code. */
export async function deployTokens(
  batch: TransactionBatch,
  markets: readonly Market[],
  faucet: LocalAccount,
): Promise<Record<string, Hex>> {
  const tokens: Record<string, Hex> = {};
  const signatureChecker = await batch.deploy(stablecoinArtifact('util', 'SignatureChecker'));
  for (const market of markets) {
    switch (market.contract) {
      case 'circle':
        tokens[market.code] = await deployStablecoin(batch, market, signatureChecker, faucet);
        break;
      case 'weth':
        tokens[market.code] = await batch.deploy(aaveArtifact('dependencies/weth', 'WETH9'));
        break;
      case 'mintable':
        tokens[market.code] = await batch.deploy(aaveArtifact('mocks/tokens', 'MintableERC20'), [
          market.name,
          market.code,
          market.decimals,
        ]);
        break;
    }
  }
  return tokens;
}

/** Deploys an updatable Chainlink feed for each market. Returns addresses by asset code. */
export async function deployFeeds(batch: TransactionBatch, markets: readonly Market[]): Promise<Record<string, Hex>> {
  const feeds: Record<string, Hex> = {};
  for (const market of markets) {
    feeds[market.code] = await batch.deploy(chainlinkFeedArtifact(), [FEED_DECIMALS, market.priceE8]);
  }
  return feeds;
}

/** Circle's own token behind its own proxy, initialised through all its versions as on the public chains. */
async function deployStablecoin(
  batch: TransactionBatch,
  market: Market,
  signatureChecker: Hex,
  faucet: LocalAccount,
): Promise<Hex> {
  const token = linked(stablecoinArtifact('v2', 'FiatTokenV2_2'), {
    SignatureChecker: signatureChecker,
  });
  const implementation = await batch.deploy(token);
  const proxyArtifact = stablecoinArtifact('v1', 'FiatTokenProxy');
  const proxy = await batch.deploy(proxyArtifact, [implementation]);
  // The proxy answers its admin itself and never forwards its calls: the admin must be nobody who uses the token.
  await batch.call(proxy, proxyArtifact.abi, 'changeAdmin', [sandboxAccount(1).address]);
  const owner = sandboxAccount(0).address;
  await batch.call(proxy, token.abi, 'initialize', [
    market.name,
    market.code,
    market.fiatCurrency,
    market.decimals,
    owner,
    owner,
    owner,
    owner,
  ]);
  await batch.call(proxy, token.abi, 'initializeV2', [market.name]);
  await batch.call(proxy, token.abi, 'initializeV2_1', [owner]);
  await batch.call(proxy, token.abi, 'initializeV2_2', [[], market.code]);
  await batch.call(proxy, token.abi, 'configureMinter', [faucet.address, maxUint256]);
  return proxy;
}
