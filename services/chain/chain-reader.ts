import {
  BlockNotFoundError,
  getAddress,
  type Log,
  parseEventLogs,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from 'viem';
import { required } from '../shared/assert';
import { erc20Abi, feedAbi } from './abi';
import type { ChainClient } from './clients';
import type { ChainBlock, ChainReader, TokenTransferLog } from './port';

/** The chain changed under a read of several requests each time it was tried. Asking again later is safe. */
export class ChainMovedError extends Error {
  override readonly name = 'ChainMovedError';
}

/** Receipts asked for at once, and how often a range is read again when a reorg crosses it. */
const RECEIPTS_AT_ONCE = 16;
const RANGE_ATTEMPTS = 3;

type Hash = `0x${string}`;

/** The receipt, or null when the node knows none. */
export async function findReceipt(client: ChainClient, hash: Hash): Promise<TransactionReceipt | null> {
  try {
    return await client.getTransactionReceipt({ hash });
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return null;
    throw error;
  }
}

/** The canonical block of that number, or null when the chain is shorter. */
export async function findBlock(client: ChainClient, blockNumber: bigint): Promise<ChainBlock | null> {
  try {
    const block = await client.getBlock({ blockNumber });
    return { number: block.number, hash: block.hash, timestamp: new Date(Number(block.timestamp) * 1000) };
  } catch (error) {
    if (error instanceof BlockNotFoundError) return null;
    throw error;
  }
}

function transferAt(receipt: TransactionReceipt, receiptPosition: number, chainId: number): TokenTransferLog | null {
  const log = receipt.logs[receiptPosition];
  if (!log || receipt.status !== 'success') return null;
  const [transfer] = parseEventLogs({ abi: erc20Abi, eventName: 'Transfer', logs: [log] });
  if (!transfer) return null;
  return {
    chainId,
    token: getAddress(log.address),
    transactionHash: receipt.transactionHash,
    blockHash: receipt.blockHash,
    blockNumber: receipt.blockNumber,
    receiptPosition,
    from: transfer.args.from,
    to: transfer.args.to,
    amount: transfer.args.value,
  };
}

/** Reads over one node. Addresses come back in EIP-55 spelling. */
export function createChainReader(client: ChainClient): ChainReader {
  const chainId = required(client.chain, 'chain of the client').id;

  async function receiptsOf(hashes: readonly Hash[]): Promise<Map<Hash, TransactionReceipt | null>> {
    const receipts = new Map<Hash, TransactionReceipt | null>();
    for (let start = 0; start < hashes.length; start += RECEIPTS_AT_ONCE) {
      const some = hashes.slice(start, start + RECEIPTS_AT_ONCE);
      const found = await Promise.all(some.map((hash) => findReceipt(client, hash)));
      some.forEach((hash, index) => {
        receipts.set(hash, found[index] ?? null);
      });
    }
    return receipts;
  }

  /** Null when a reorg moved a log between the two requests. */
  async function withReceiptPositions(logs: readonly Log<bigint, number, false>[]): Promise<TokenTransferLog[] | null> {
    const receipts = await receiptsOf([...new Set(logs.map((log) => log.transactionHash))]);
    const transfers: TokenTransferLog[] = [];
    for (const log of logs) {
      const receipt = receipts.get(log.transactionHash);
      if (!receipt || receipt.blockHash !== log.blockHash) return null;
      const position = receipt.logs.findIndex((candidate) => candidate.logIndex === log.logIndex);
      const transfer = transferAt(receipt, position, chainId);
      if (transfer) transfers.push(transfer);
    }
    return transfers;
  }

  return {
    chainId,

    async head() {
      const block = await client.getBlock({ blockTag: 'latest' });
      return { number: block.number, hash: block.hash, timestamp: new Date(Number(block.timestamp) * 1000) };
    },

    block: (number) => findBlock(client, number),

    tokenBalance: (token, owner, blockNumber) =>
      client.readContract({
        address: token,
        abi: erc20Abi,
        functionName: 'balanceOf',
        args: [owner],
        ...(blockNumber === undefined ? {} : { blockNumber }),
      }),

    nativeBalance: (owner, blockNumber) =>
      client.getBalance({ address: owner, ...(blockNumber === undefined ? {} : { blockNumber }) }),

    async tokenTransfers(tokens, fromBlock, toBlock, recipients) {
      if (tokens.length === 0 || recipients?.length === 0) return [];
      for (let attempt = 0; attempt < RANGE_ATTEMPTS; attempt += 1) {
        const logs = await client.getContractEvents({
          abi: erc20Abi,
          eventName: 'Transfer',
          address: [...tokens],
          fromBlock,
          toBlock,
          strict: true,
          ...(recipients === undefined ? {} : { args: { to: [...recipients] } }),
        });
        const transfers = await withReceiptPositions(logs);
        if (transfers) return transfers;
      }
      throw new ChainMovedError(`transfers of blocks ${fromBlock}–${toBlock} kept moving`);
    },

    async tokenTransferNow({ transactionHash, receiptPosition }) {
      const receipt = await findReceipt(client, transactionHash);
      if (!receipt) return null;
      const canonical = await findBlock(client, receipt.blockNumber);
      if (canonical?.hash !== receipt.blockHash) return null;
      return transferAt(receipt, receiptPosition, chainId);
    },

    async feedRound(feed, blockNumber) {
      const [roundId, answer, , updatedAt] = await client.readContract({
        address: feed,
        abi: feedAbi,
        functionName: 'latestRoundData',
        ...(blockNumber === undefined ? {} : { blockNumber }),
      });
      return { roundId, answer, updatedAt: new Date(Number(updatedAt) * 1000) };
    },
  };
}
