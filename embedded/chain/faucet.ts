import { type Abi, createPublicClient, encodeFunctionData, http, type PublicClient, parseAbi } from 'viem';
import { sendByNode } from '../../services/chain/send-by-node';
import type { Hex } from '../../services/providers/custody/port';
import { required } from '../../services/shared/assert';
import { chainlinkFeedArtifact } from './artifacts';
import type { SandboxDeployment } from './deployment-file';

const tokenAbi = parseAbi(['function transfer(address to, uint256 amount)']);
const feedAbi = parseAbi([
  'function latestRound() view returns (uint256)',
  'function latestAnswer() view returns (int256)',
  'function latestTimestamp() view returns (uint256)',
]);

/** Makes money and prices on the development chain. */
export interface Faucet {
  readonly client: PublicClient;
  /** Sends `amount` base units of a token to `to` and waits until it is mined. Returns the transfer's transaction. */
  give(assetCode: string, to: Hex, amount: bigint): Promise<Hex>;
  /** Sets the native balance of an address, in wei. */
  setNativeBalance(address: Hex, wei: bigint): Promise<void>;
  /** Publishes a price (USD, 8 decimals) as observed at `at`, now when left out, and waits until it is mined. */
  publishPrice(assetCode: string, priceE8: bigint, at?: Date): Promise<Hex>;
  /** Publishes the last price of every feed again, as a public feed does at its heartbeat. */
  refreshPrices(olderThanSeconds: number): Promise<void>;
}

export function openFaucet(deployment: SandboxDeployment): Faucet {
  const transport = http(deployment.rpcUrl);
  const client = createPublicClient({ transport, pollingInterval: 100 });
  const tokenAddress = (code: string): Hex => required(deployment.tokens[code], `token ${code}`).address;
  const feedAddress = (code: string): Hex => required(deployment.feeds[code], `feed of ${code}`);

  // The node signs, because several processes send from these accounts and it counts the nonces for all of them.
  const send = (account: Hex, to: Hex, abi: Abi, functionName: string, args: readonly unknown[]): Promise<Hex> =>
    sendByNode(client, account, to, encodeFunctionData({ abi, functionName, args }));
  const publish = (code: string, round: bigint, priceE8: bigint, at: Date): Promise<Hex> => {
    const seconds = BigInt(Math.floor(at.getTime() / 1000));
    const args = [round, priceE8, seconds, seconds];
    return send(deployment.sandbox.feedOwner, feedAddress(code), chainlinkFeedArtifact().abi, 'updateRoundData', args);
  };
  const read = (code: string, functionName: 'latestRound' | 'latestAnswer' | 'latestTimestamp'): Promise<bigint> =>
    client.readContract({
      address: feedAddress(code),
      abi: feedAbi,
      functionName,
    });

  return {
    client,
    async give(assetCode, to, amount) {
      return send(deployment.sandbox.faucet, tokenAddress(assetCode), tokenAbi, 'transfer', [to, amount]);
    },
    async setNativeBalance(address, wei) {
      await client.request({
        method: 'anvil_setBalance',
        params: [address, `0x${wei.toString(16)}`],
      } as never);
    },
    async publishPrice(assetCode, priceE8, at = new Date()) {
      return publish(assetCode, (await read(assetCode, 'latestRound')) + 1n, priceE8, at);
    },
    async refreshPrices(olderThanSeconds) {
      const now = new Date();
      const refresh = async (code: string): Promise<void> => {
        const age = BigInt(Math.floor(now.getTime() / 1000)) - (await read(code, 'latestTimestamp'));
        if (age < BigInt(olderThanSeconds)) return;
        await publish(code, (await read(code, 'latestRound')) + 1n, await read(code, 'latestAnswer'), now);
      };
      await Promise.all(Object.keys(deployment.feeds).map(refresh));
    },
  };
}
