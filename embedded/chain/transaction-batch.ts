import {
  type Abi,
  type Account,
  createPublicClient,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  http,
  type PublicClient,
  parseGwei,
} from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import type { Hex } from '../../services/providers/custody/port';
import { sandboxChainId, sandboxMnemonic } from '../anvil';
import { EmbeddedFailure } from '../failure';
import type { Artifact } from './artifacts';

/** Fits every contract we deploy and stays under the protocol's limit for one transaction (2^24). */
const GAS_LIMIT = 16_000_000n;

/** One of the development chain's own accounts. */
export function sandboxAccount(index: number): ReturnType<typeof mnemonicToAccount> {
  return mnemonicToAccount(sandboxMnemonic, { addressIndex: index });
}

/** The account of the development chain that signs by itself. */
export type LocalAccount = Account & Pick<ReturnType<typeof mnemonicToAccount>, 'signTransaction' | 'address'>;

/**
 * Sends transactions without waiting for each: nonces are counted here and addresses of new contracts computed, so that
 * a whole deployment needs a handful of blocks. {@link TransactionBatch.settle} mines them and checks every receipt.
 */
export interface TransactionBatch {
  readonly client: PublicClient;
  /** Sends a contract creation; returns the address that it will have. */
  deploy(artifact: Artifact, args?: readonly unknown[], from?: LocalAccount): Promise<Hex>;
  /** Sends a call. */
  call(
    to: Hex,
    abi: Abi,
    functionName: string,
    args?: readonly unknown[],
    options?: { readonly from?: LocalAccount; readonly value?: bigint },
  ): Promise<void>;
  /** Mines until everything sent has a receipt. Throws with the label of the first that reverted. */
  settle(): Promise<void>;
}

export function startTransactionBatch(rpcUrl: string, sender: LocalAccount): TransactionBatch {
  const client = createPublicClient({
    transport: http(rpcUrl),
    pollingInterval: 50,
  });
  const nonces = new Map<string, number>();
  let pending: { readonly hash: Hex; readonly label: string }[] = [];

  const send = async (
    from: LocalAccount,
    label: string,
    transaction: {
      readonly to?: Hex;
      readonly data: Hex;
      readonly value?: bigint;
    },
  ): Promise<number> => {
    const nonce = nonces.get(from.address) ?? (await client.getTransactionCount({ address: from.address }));
    nonces.set(from.address, nonce + 1);
    const serializedTransaction = await from.signTransaction({
      type: 'eip1559',
      chainId: sandboxChainId,
      nonce,
      gas: GAS_LIMIT,
      maxFeePerGas: parseGwei('50'),
      maxPriorityFeePerGas: parseGwei('1'),
      ...transaction,
    });
    pending.push({
      hash: await client.sendRawTransaction({ serializedTransaction }),
      label,
    });
    return nonce;
  };

  return {
    client,
    async deploy(artifact, args = [], from = sender) {
      const data = encodeDeployData({
        abi: artifact.abi,
        bytecode: artifact.bytecode,
        args,
      });
      const nonce = await send(from, `deploying ${artifact.name}`, { data });
      return getContractAddress({ from: from.address, nonce: BigInt(nonce) });
    },
    async call(to, abi, functionName, args = [], options = {}) {
      const data = encodeFunctionData({ abi, functionName, args });
      await send(options.from ?? sender, `${functionName} on ${to}`, {
        to,
        data,
        ...(options.value === undefined ? {} : { value: options.value }),
      });
    },
    async settle() {
      while (pending.length > 0) {
        await client.request({ method: 'evm_mine' } as never);
        const open: typeof pending = [];
        for (const item of pending) {
          const receipt = await client.getTransactionReceipt({ hash: item.hash }).catch(() => null);
          if (receipt === null) open.push(item);
          else if (receipt.status !== 'success') {
            throw new EmbeddedFailure(
              `the chain refused a step of its set-up: ${item.label} reverted`,
              '`npm run reset` clears the chain; then start again',
            );
          }
        }
        pending = open;
      }
    },
  };
}
