import {
  type Address,
  createPublicClient,
  encodeFunctionData,
  getAddress,
  type Hex,
  http,
  keccak256,
  type PublicClient,
  parseAbi,
  parseAbiItem,
} from 'viem';
import { mnemonicToAccount } from 'viem/accounts';

const TRANSFER = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)');
const ERC20 = parseAbi(['function transfer(address to, uint256 value) returns (bool)']);

export interface Deposit {
  readonly token: Address;
  readonly from: Address;
  readonly to: Address;
  readonly amount: bigint;
  readonly transactionHash: Hex;
}

/** The vendor's own view of the chain: deposit addresses of its own, deposits to them, and returns from them. */
export interface VendorChain {
  depositAddress(index: number): Address;
  head(): Promise<bigint>;
  deposits(tokens: readonly Address[], to: readonly Address[], fromBlock: bigint, toBlock: bigint): Promise<Deposit[]>;
  /** Signed bytes of a token transfer out of a deposit address. Nothing is sent. */
  signReturn(input: {
    readonly index: number;
    readonly token: Address;
    readonly to: Address;
    readonly amount: bigint;
  }): Promise<{ readonly raw: Hex; readonly hash: Hex }>;
  /** Sends bytes signed before; sending the same ones again is harmless. */
  broadcast(raw: Hex): Promise<void>;
  /** `pending` also when the transaction is not known at all. */
  outcome(hash: Hex): Promise<'pending' | 'success' | 'reverted'>;
}

export function connectChain(input: { readonly rpcUrl: string; readonly mnemonic: string }): VendorChain {
  const client: PublicClient = createPublicClient({
    transport: http(input.rpcUrl, { retryCount: 0, timeout: 10_000 }),
  });
  const account = (index: number) => mnemonicToAccount(input.mnemonic, { addressIndex: index });

  return {
    depositAddress: (index) => account(index).address,
    head: () => client.getBlockNumber({ cacheTime: 0 }),
    async deposits(tokens, to, fromBlock, toBlock) {
      const logs = await client.getLogs({
        address: [...tokens],
        event: TRANSFER,
        args: { to: [...to] },
        fromBlock,
        toBlock,
        strict: true,
      });
      return logs.map((log) => ({
        token: getAddress(log.address),
        from: log.args.from,
        to: log.args.to,
        amount: log.args.value,
        transactionHash: log.transactionHash,
      }));
    },
    async signReturn({ index, token, to, amount }) {
      const sender = account(index);
      await fundGas(client, sender.address);
      const data = encodeFunctionData({ abi: ERC20, functionName: 'transfer', args: [to, amount] });
      const [chainId, nonce, fees, gas] = await Promise.all([
        client.getChainId(),
        client.getTransactionCount({ address: sender.address, blockTag: 'pending' }),
        client.estimateFeesPerGas(),
        client.estimateGas({ account: sender.address, to: token, data }),
      ]);
      const raw = await sender.signTransaction({
        type: 'eip1559',
        chainId,
        nonce,
        to: token,
        data,
        gas: (gas * 13n) / 10n,
        maxFeePerGas: fees.maxFeePerGas * 3n,
        maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
      });
      return { raw, hash: keccak256(raw) };
    },
    async broadcast(raw) {
      try {
        await client.sendRawTransaction({ serializedTransaction: raw });
      } catch (error) {
        // Sent before: the node says so in one of these ways. The receipt decides what became of it.
        if (!/already known|already imported|nonce too low/i.test(String(error))) throw error;
      }
    },
    async outcome(hash) {
      const receipt = await client.getTransactionReceipt({ hash }).catch(() => null);
      if (receipt === null) return 'pending';
      return receipt.status;
    },
  };
}

/** Deposit addresses hold no ether of their own; a development node gives it to them. */
async function fundGas(client: PublicClient, address: Address): Promise<void> {
  const oneEther = 10n ** 18n;
  if ((await client.getBalance({ address })) >= oneEther / 10n) return;
  const request = client.request as (call: { method: string; params: unknown[] }) => Promise<unknown>;
  await request({ method: 'anvil_setBalance', params: [address, `0x${oneEther.toString(16)}`] });
}
