import { createPublicClient, custom, defineChain, numberToHex } from 'viem';
import type { ChainClient } from '../../../services/chain/clients';
import type { ChainDeployment } from '../../../services/chain/port';
import { startOwnChain } from '../../setup/own-chain';

/** What happens to the next signed bytes on their way to the node. */
export type SendFault = 'none' | 'lost-before' | 'reply-lost';

/** A chain that mines only when told, and a client whose sends can be made to fail. */
export interface ManualChain {
  readonly client: ChainClient;
  readonly deployment: ChainDeployment;
  /** Every signed transaction that the client tried to send, in order, lost ones included. */
  readonly offered: string[];
  failNextSend(fault: SendFault): void;
  mine(blocks?: number): Promise<void>;
  reorg(depth: number): Promise<void>;
  rpc(method: string, params: readonly unknown[]): Promise<unknown>;
  stop(): Promise<void>;
}

export async function startManualChain(): Promise<ManualChain> {
  const chain = await startOwnChain();
  const offered: string[] = [];
  let fault: SendFault = 'none';

  async function rpc(method: string, params: readonly unknown[]): Promise<unknown> {
    const response = await fetch(chain.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const body = (await response.json()) as { result?: unknown; error?: { code: number; message: string } };
    if (body.error) throw Object.assign(new Error(body.error.message), body.error);
    return body.result;
  }

  const client = createPublicClient({
    chain: defineChain({
      id: chain.deployment.chainId,
      name: 'test',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [chain.rpcUrl] } },
    }),
    transport: custom(
      {
        async request({ method, params }: { method: string; params: unknown[] }) {
          if (method !== 'eth_sendRawTransaction') return rpc(method, params ?? []);
          offered.push(String(params[0]));
          const now = fault;
          fault = 'none';
          if (now === 'lost-before') throw new Error('connect ECONNREFUSED');
          const result = await rpc(method, params);
          if (now === 'reply-lost') throw new Error('socket hang up');
          return result;
        },
      },
      { retryCount: 0 },
    ),
    cacheTime: 0,
  }) as ChainClient;

  await rpc('evm_setIntervalMining', [0]);
  return {
    client,
    deployment: chain.deployment,
    offered,
    failNextSend(next) {
      fault = next;
    },
    async mine(blocks = 1) {
      await rpc('anvil_mine', [numberToHex(blocks)]);
    },
    async reorg(depth) {
      await rpc('anvil_reorg', [depth, []]);
    },
    rpc,
    stop: chain.stop,
  };
}
