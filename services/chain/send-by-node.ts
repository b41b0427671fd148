import { type Hex, numberToHex, parseGwei } from 'viem';
import { invariant } from '../shared/assert';
import { findReceipt } from './chain-reader';
import type { ChainClient } from './clients';
import { nodeMessage } from './node-error';
import type { Address } from './port';

/** The development node mines every second or so; one that has stopped mining is an error, not something to wait for. */
const RECEIPT_POLLS = 300;
const RECEIPT_POLL_MS = 100;

/**
 * The development node reads an account's next nonce before it has taken it. Of two that ask side by side both may be given the
 * same: the second is refused by these words, and is given the next one when it asks again.
 */
const NONCE_TAKEN = /replacement transaction underpriced|already imported|already known|nonce too low/i;
const SEND_ATTEMPTS = 50;
const SEND_AGAIN_MS = 20;

/**
 * The same fees for every one, far above what the development chain ever asks: were a later one dearer, it would take the place of
 * the one whose nonce it was given, instead of being refused.
 */
const FEES = {
  maxFeePerGas: numberToHex(parseGwei('1000')),
  maxPriorityFeePerGas: numberToHex(parseGwei('1')),
};

type SendTransaction = {
  readonly Method: 'eth_sendTransaction';
  readonly Parameters: readonly unknown[];
  readonly ReturnType: Hex;
};

async function hand(client: ChainClient, from: Address, to: Address, data: Hex): Promise<Hex> {
  const call = { method: 'eth_sendTransaction', params: [{ from, to, data, ...FEES }] } as const;
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Never asked again by the client itself: it can't know whether the first was taken.
      return await client.request<SendTransaction>(call as never, { retryCount: 0 });
    } catch (error) {
      if (attempt === SEND_ATTEMPTS || !NONCE_TAKEN.test(nodeMessage(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, SEND_AGAIN_MS * Math.random()));
    }
  }
}

/**
 * Has the development node sign and send a call from one of its own accounts, and waits until it is mined. Several processes may
 * send from one account at once. Returns the transaction's hash; throws when it reverts or is not mined within half a minute.
 */
export async function sendByNode(client: ChainClient, from: Address, to: Address, data: Hex): Promise<Hex> {
  const hash = await hand(client, from, to, data);
  for (let poll = 0; poll < RECEIPT_POLLS; poll += 1) {
    const receipt = await findReceipt(client, hash);
    if (receipt) {
      invariant(receipt.status === 'success', `sandbox transaction ${hash} reverted`);
      return hash;
    }
    await new Promise((resolve) => setTimeout(resolve, RECEIPT_POLL_MS));
  }
  throw new Error(`sandbox transaction ${hash} is not mined`);
}
