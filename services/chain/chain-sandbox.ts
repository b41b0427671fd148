import { encodeFunctionData, numberToHex } from 'viem';
import { required } from '../shared/assert';
import { erc20Abi, settableFeedAbi } from './abi';
import type { ChainClient } from './clients';
import type { ChainDeployment, ChainSandbox } from './port';
import { sendByNode } from './send-by-node';

type DevelopmentMethod =
  | { readonly Method: 'anvil_setBalance'; readonly Parameters: readonly unknown[]; readonly ReturnType: null }
  | { readonly Method: 'anvil_mine'; readonly Parameters: readonly unknown[]; readonly ReturnType: null }
  | { readonly Method: 'anvil_reorg'; readonly Parameters: readonly unknown[]; readonly ReturnType: null }
  | { readonly Method: 'evm_increaseTime'; readonly Parameters: readonly unknown[]; readonly ReturnType: unknown };

/**
 * Powers over the development chain. Throws when the deployment has no `sandbox` part, so a production chain can never be
 * handed to it by mistake.
 */
export function createChainSandbox(client: ChainClient, deployment: ChainDeployment): ChainSandbox {
  const { faucet, feedOwner } = required(deployment.sandbox, 'the sandbox part of the chain deployment');

  function request<M extends DevelopmentMethod['Method']>(method: M, params: readonly unknown[]) {
    return client.request<Extract<DevelopmentMethod, { Method: M }>>({ method, params } as never);
  }

  return {
    async fundToken(assetCode, to, amount) {
      const token = required(deployment.tokens[assetCode], `token ${assetCode}`).address;
      const data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] });
      return { transactionHash: await sendByNode(client, faucet, token, data) };
    },

    async faucetBalance(assetCode) {
      const token = required(deployment.tokens[assetCode], `token ${assetCode}`).address;
      return client.readContract({ address: token, abi: erc20Abi, functionName: 'balanceOf', args: [faucet] });
    },

    async fundNative(to, amount) {
      const balance = await client.getBalance({ address: to });
      await request('anvil_setBalance', [to, numberToHex(balance + amount)]);
    },

    async setFeedAnswer(assetCode, answer, updatedAt) {
      const feed = required(deployment.feeds[assetCode], `feed of ${assetCode}`);
      const round = await client.readContract({ address: feed, abi: settableFeedAbi, functionName: 'latestRound' });
      const seconds = BigInt(Math.floor(updatedAt.getTime() / 1000));
      const data = encodeFunctionData({
        abi: settableFeedAbi,
        functionName: 'updateRoundData',
        args: [round + 1n, answer, seconds, seconds],
      });
      await sendByNode(client, feedOwner, feed, data);
    },

    async mine(blocks) {
      await request('anvil_mine', [numberToHex(blocks)]);
    },

    async reorg(depth) {
      await request('anvil_reorg', [depth, []]);
    },

    async increaseTime(seconds) {
      await request('evm_increaseTime', [seconds]);
      await request('anvil_mine', ['0x1']);
    },
  };
}
