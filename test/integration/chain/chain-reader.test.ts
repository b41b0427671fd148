import { createChainReader } from '../../../services/chain/chain-reader';
import { createChainSandbox } from '../../../services/chain/chain-sandbox';
import { erc20Calls } from '../../../services/chain/erc20';
import type { Address, ChainReader } from '../../../services/chain/port';
import type { Hex } from '../../../services/providers/custody/port';
import { required } from '../../../services/shared/assert';
import { type ManualChain, startManualChain } from './manual-chain';

const ALICE: Address = '0x00000000000000000000000000000000000000A1';
const BOB: Address = '0x00000000000000000000000000000000000000B0';

let chain: ManualChain;
let reader: ChainReader;
let usdc: Address;
let weth: Address;
let faucet: Address;

beforeAll(async () => {
  chain = await startManualChain();
  reader = createChainReader(chain.client);
  usdc = required(chain.deployment.tokens.USDC, 'USDC').address;
  weth = required(chain.deployment.tokens.WETH, 'WETH').address;
  faucet = required(chain.deployment.sandbox, 'sandbox').faucet;
});

afterAll(() => chain?.stop());

/** Leaves the transfer waiting until a block is mined. */
async function transfer(token: Address, to: Address, amount: bigint): Promise<Hex> {
  const { data } = erc20Calls.transfer(token, to, amount);
  return (await chain.rpc('eth_sendTransaction', [{ from: faucet, to: token, data }])) as Hex;
}

test('transfers are found by token and range, in order, with their place in their own receipt', async () => {
  const start = (await reader.head()).number;
  await transfer(usdc, ALICE, 5n);
  const second = await transfer(usdc, BOB, 7n);
  await chain.mine(1);
  await transfer(weth, ALICE, 9n);
  await chain.mine(1);
  const { number: end } = await reader.head();

  const found = await reader.tokenTransfers([usdc, weth], start + 1n, end);
  expect(found.map(({ token, from, to, amount }) => ({ token, from, to, amount }))).toEqual([
    { token: usdc, from: faucet, to: ALICE, amount: 5n },
    { token: usdc, from: faucet, to: BOB, amount: 7n },
    { token: weth, from: faucet, to: ALICE, amount: 9n },
  ]);
  // The second log of its block, and still the first of its receipt.
  const canonical = await reader.block(start + 1n);
  expect(found[1]).toMatchObject({
    transactionHash: second,
    receiptPosition: 0,
    blockNumber: start + 1n,
    blockHash: canonical?.hash,
    chainId: chain.deployment.chainId,
  });
  expect(await reader.tokenTransfers([usdc], start + 1n, end, [ALICE])).toEqual([found[0]]);
  expect(await reader.tokenTransfers([usdc], start + 2n, end)).toEqual([]);
  expect(await reader.tokenTransfers([], start, end)).toEqual([]);
  expect(await reader.tokenTransfers([usdc], start, end, [])).toEqual([]);
  expect(await reader.tokenBalance(usdc, BOB, start)).toBe(0n);
  expect(await reader.tokenBalance(usdc, BOB, end)).toBe(7n);
});

test('a transfer that a reorg moves keeps its place in the receipt, whatever its log index becomes', async () => {
  const rival = await otherHolder();
  const hash = await transfer(usdc, ALICE, 11n);
  await chain.mine(1);
  const [before] = await reader.tokenTransfers([usdc], (await reader.head()).number, (await reader.head()).number);
  expect(before).toMatchObject({ transactionHash: hash, amount: 11n });
  const raw = (await chain.rpc('eth_getRawTransactionByHash', [hash])) as Hex;
  const logIndexBefore = (await chain.client.getTransactionReceipt({ hash })).logs[0]?.logIndex;

  // The new chain has another transfer in front of it, in the same block.
  await chain.rpc('anvil_reorg', [1, []]);
  await chain.rpc('anvil_dropAllTransactions', []);
  expect(await reader.tokenTransferNow(required(before, 'transfer'))).toBeNull();

  await chain.rpc('eth_sendTransaction', [
    {
      from: rival,
      ...erc20Calls.transfer(usdc, BOB, 1n),
      maxPriorityFeePerGas: '0x77359400',
      maxFeePerGas: '0x2540be400',
    },
  ]);
  await chain.rpc('eth_sendRawTransaction', [raw]);
  await chain.mine(1);

  const after = await reader.tokenTransferNow(required(before, 'transfer'));
  expect(after).toMatchObject({ transactionHash: hash, receiptPosition: before?.receiptPosition, amount: 11n });
  expect(after?.blockHash).not.toBe(before?.blockHash);
  expect((await chain.client.getTransactionReceipt({ hash })).logs[0]?.logIndex).not.toBe(logIndexBefore);
});

/** Some other account with USDC and gas money. */
async function otherHolder(): Promise<Address> {
  const holder: Address = '0x00000000000000000000000000000000000c0ffe';
  await transfer(usdc, holder, 100n);
  await chain.mine(1);
  await chain.rpc('anvil_setBalance', [holder, '0xde0b6b3a7640000']);
  await chain.rpc('anvil_impersonateAccount', [holder]);
  return holder;
}

test('a receipt that outlived its block does not count as standing', async () => {
  const hash = await transfer(usdc, ALICE, 13n);
  await chain.mine(1);
  const receipt = await chain.client.getTransactionReceipt({ hash });
  await chain.reorg(1);
  await chain.mine(1);
  const lagging = Object.assign(Object.create(chain.client), { getTransactionReceipt: async () => receipt });
  expect(await createChainReader(lagging).tokenTransferNow({ transactionHash: hash, receiptPosition: 0 })).toBeNull();
});

test('a log that moves between search and receipt is never given out half', async () => {
  const hash = await transfer(usdc, ALICE, 17n);
  await chain.mine(1);
  const { number } = await reader.head();
  const receipt = await chain.client.getTransactionReceipt({ hash });
  const moving = Object.assign(Object.create(chain.client), {
    getTransactionReceipt: async () => ({ ...receipt, blockHash: `0x${'11'.repeat(32)}` }),
  });
  await expect(createChainReader(moving).tokenTransfers([usdc], number, number)).rejects.toThrow('kept moving');
});

test('places that hold no transfer are nothing, and a block above the head is not there', async () => {
  const hash = await transfer(usdc, ALICE, 19n);
  await chain.mine(1);
  expect(await reader.tokenTransferNow({ transactionHash: hash, receiptPosition: 1 })).toBeNull();
  expect(await reader.tokenTransferNow({ transactionHash: `0x${'22'.repeat(32)}`, receiptPosition: 0 })).toBeNull();
  expect(await reader.block((await reader.head()).number + 1n)).toBeNull();
});

describe('sandbox', () => {
  test('sets a feed to an answer as of a time, which the reader gives back', async () => {
    const sandbox = createChainSandbox(chain.client, chain.deployment);
    const feed = required(chain.deployment.feeds.WETH, 'feed');
    const before = await reader.feedRound(feed);
    const updatedAt = new Date('2026-01-02T03:04:05Z');
    await chain.rpc('evm_setAutomine', [true]);
    await sandbox.setFeedAnswer('WETH', 2_100_00000000n, updatedAt);
    expect(await reader.feedRound(feed)).toEqual({
      roundId: before.roundId + 1n,
      answer: 2_100_00000000n,
      updatedAt,
    });
    await sandbox.fundToken('WBTC', BOB, 3n);
    await chain.rpc('evm_setAutomine', [false]);
    expect(await reader.tokenBalance(required(chain.deployment.tokens.WBTC, 'WBTC').address, BOB)).toBe(3n);
  });

  test('adds native money, mines, turns the clock and reorganises', async () => {
    const sandbox = createChainSandbox(chain.client, chain.deployment);
    const native = await reader.nativeBalance(BOB);
    await sandbox.fundNative(BOB, 5n);
    await sandbox.fundNative(BOB, 6n);
    expect(await reader.nativeBalance(BOB)).toBe(native + 11n);

    const start = await reader.head();
    await sandbox.mine(3);
    expect((await reader.head()).number).toBe(start.number + 3n);
    await sandbox.increaseTime(86_400);
    const later = await reader.head();
    expect(later.timestamp.getTime() - start.timestamp.getTime()).toBeGreaterThanOrEqual(86_400_000);
    await sandbox.reorg(2);
    expect((await reader.block(later.number))?.hash).not.toBe(later.hash);
    expect((await reader.block(start.number))?.hash).toBe(start.hash);
  });

  test('is not to be had for a chain without a sandbox part', () => {
    const { sandbox: _, ...production } = chain.deployment;
    expect(() => createChainSandbox(chain.client, production)).toThrow('sandbox part');
  });
});
