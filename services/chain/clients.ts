import { createPublicClient, defineChain, http, type PublicClient } from 'viem';
import type { ChainDeployment } from './port';

export type ChainClient = PublicClient;

/** How long one JSON-RPC request may take, and how often a failed one is asked again before the caller hears of it. */
export interface ChainClientLimits {
  readonly timeoutMs: number;
  readonly retryCount: number;
}

/** A client for the deployment's node. It holds no key and caches no block number. */
export function createChainClient(
  deployment: Pick<ChainDeployment, 'chainId' | 'rpcUrl'>,
  limits: ChainClientLimits = { timeoutMs: 10_000, retryCount: 2 },
): ChainClient {
  return createPublicClient({
    chain: defineChain({
      id: deployment.chainId,
      name: `chain-${deployment.chainId}`,
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [deployment.rpcUrl] } },
    }),
    transport: http(deployment.rpcUrl, { timeout: limits.timeoutMs, retryCount: limits.retryCount }),
    cacheTime: 0,
  });
}
