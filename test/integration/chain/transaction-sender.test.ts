import { advancePendingIntents } from '../../../services/chain/advance-pending-intents';
import { createChainSandbox } from '../../../services/chain/chain-sandbox';
import { createChainClient } from '../../../services/chain/clients';
import { erc20Calls } from '../../../services/chain/erc20';
import type { Address, ChainCall, ChainCallOutcome, ChainTransactionSender } from '../../../services/chain/port';
import { inOrganization } from '../../../services/database/transaction';
import { required } from '../../../services/shared/assert';
import { type ManualChain, startManualChain } from './manual-chain';
import { CONFIRMATIONS, type SenderStack, startSenderStack } from './sender-setup';

const RECIPIENT: Address = '0x00000000000000000000000000000000000000AA';
const ETHER = 10n ** 18n;

let chain: ManualChain;
let stack: SenderStack;
let nextOrganizationIndex = 0;

beforeAll(async () => {
  [chain, stack] = await Promise.all([startManualChain(), startSenderStack()]);
});

afterAll(async () => {
  await Promise.all([chain?.stop(), stack?.stop()]);
});

beforeEach(() => {
  chain.failNextSend('none');
});

interface Wallet {
  readonly organizationId: string;
  readonly address: Address;
  readonly sender: ChainTransactionSender;
  call(intentKey: string, change?: Partial<ChainCall>): ChainCall;
}

/** An organization with gas money in its operating wallet, and a sender. */
async function createWallet(gasMoney = ETHER): Promise<Wallet> {
  const organizationId = await stack.createOrganization();
  const signer = { purpose: 'operating', organizationIndex: nextOrganizationIndex } as const;
  nextOrganizationIndex += 1;
  const address = await stack.custody.address(signer);
  await chain.rpc('anvil_setBalance', [address, `0x${gasMoney.toString(16)}`]);
  return {
    organizationId,
    address,
    sender: stack.newSender(chain.client),
    call: (intentKey, change = {}) => ({
      organizationId,
      intentKey,
      signer,
      to: RECIPIENT,
      data: '0x',
      value: 1n,
      purpose: 'test',
      ...change,
    }),
  };
}

async function nonceOf(wallet: Wallet): Promise<number> {
  return chain.client.getTransactionCount({ address: wallet.address });
}

interface AttemptRow {
  readonly attempt_number: number;
  readonly kind: string;
  readonly transaction_hash: string;
  readonly raw_transaction: string;
  readonly max_fee_per_gas: bigint;
  readonly max_priority_fee_per_gas: bigint;
}

function attemptsOf(wallet: Wallet, intentKey: string): Promise<AttemptRow[]> {
  return inOrganization(stack.database, wallet.organizationId, (trx) =>
    trx('chain_attempts').where({ intent_key: intentKey }).orderBy('attempt_number').select<AttemptRow[]>('*'),
  );
}

async function intentRow(wallet: Wallet, intentKey: string): Promise<Record<string, unknown>> {
  const row = await inOrganization(stack.database, wallet.organizationId, (trx) =>
    trx('chain_intents').where({ intent_key: intentKey }).first<Record<string, unknown> | undefined>('*'),
  );
  return required(row, intentKey);
}

/** Mines to the confirmation policy and looks once. */
async function confirm(wallet: Wallet, intentKey: string): Promise<ChainCallOutcome> {
  await chain.mine(CONFIRMATIONS);
  return wallet.sender.advance(wallet.organizationId, intentKey);
}

test('a call is sent, waits for its confirmations and is then confirmed with its gas cost', async () => {
  const wallet = await createWallet();
  const before = await chain.client.getBalance({ address: RECIPIENT });
  const sent = await wallet.sender.submit(wallet.call('pay', { value: 5n }));
  expect(sent).toMatchObject({ state: 'broadcast', transactionHash: expect.stringMatching(/^0x/) });

  await chain.mine(CONFIRMATIONS - 1);
  expect(await wallet.sender.advance(wallet.organizationId, 'pay')).toMatchObject({ state: 'broadcast' });
  await chain.mine(1);
  const confirmed = await wallet.sender.advance(wallet.organizationId, 'pay');
  expect(confirmed).toMatchObject({ state: 'confirmed', receipt: { status: 'success', from: wallet.address } });
  expect(await chain.client.getBalance({ address: RECIPIENT })).toBe(before + 5n);

  const spent = ETHER - (await chain.client.getBalance({ address: wallet.address }));
  expect((await intentRow(wallet, 'pay')).gas_cost).toBe(spent - 5n);
  expect(await wallet.sender.submit(wallet.call('pay', { value: 5n }))).toEqual(confirmed);
});

test('the same intent from ten concurrent callers is one transaction', async () => {
  const wallet = await createWallet();
  const other = stack.newSender(chain.client);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, index) => (index % 2 ? wallet.sender : other).submit(wallet.call('once'))),
  );
  const hashes = new Set(outcomes.map((outcome) => ('transactionHash' in outcome ? outcome.transactionHash : null)));
  expect(hashes.size).toBe(1);
  expect(await confirm(wallet, 'once')).toMatchObject({ state: 'confirmed' });
  expect(await nonceOf(wallet)).toBe(1);
  expect(await attemptsOf(wallet, 'once')).toHaveLength(1);
});

test('an intent key that is known with other content is refused, and nothing is sent', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('fixed', { value: 1n }));
  const offered = chain.offered.length;
  await expect(wallet.sender.submit(wallet.call('fixed', { value: 2n }))).rejects.toThrow('another value');
  await expect(wallet.sender.submit(wallet.call('fixed', { data: '0x01' }))).rejects.toThrow('another calldata');
  await expect(wallet.sender.submit(wallet.call('fixed', { to: wallet.address }))).rejects.toThrow('another target');
  expect(chain.offered).toHaveLength(offered);
});

test('bytes committed before a crash are sent again unchanged after the restart', async () => {
  const wallet = await createWallet();
  chain.failNextSend('lost-before');
  const lost = await wallet.sender.submit(wallet.call('crash'));
  expect(lost).toMatchObject({ state: 'signed', problem: expect.stringContaining('ECONNREFUSED') });
  const before = required(chain.offered.at(-1), 'lost bytes');

  const restarted = stack.newSender(chain.client);
  expect(await restarted.advance(wallet.organizationId, 'crash')).toMatchObject({ state: 'broadcast' });
  expect(chain.offered.at(-1)).toBe(before);
  expect(await confirm(wallet, 'crash')).toMatchObject({ state: 'confirmed' });
  expect(await attemptsOf(wallet, 'crash')).toHaveLength(1);
});

test('a lost reply leads to one transaction, whether it still waits or is mined at the next look', async () => {
  for (const minedMeanwhile of [false, true]) {
    const wallet = await createWallet();
    chain.failNextSend('reply-lost');
    expect(await wallet.sender.submit(wallet.call('reply'))).toMatchObject({ state: 'signed' });
    if (minedMeanwhile) await chain.mine(1);
    expect(await wallet.sender.submit(wallet.call('reply'))).toMatchObject({ state: 'broadcast' });
    expect(await confirm(wallet, 'reply')).toMatchObject({ state: 'confirmed' });
    expect(await nonceOf(wallet)).toBe(1);
    expect(await attemptsOf(wallet, 'reply')).toHaveLength(1);
  }
});

test('an attempt that waits too long is replaced at the same nonce with both fees raised', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('slow'));
  stack.clock.advance(59_000);
  await wallet.sender.advance(wallet.organizationId, 'slow');
  expect(await attemptsOf(wallet, 'slow')).toHaveLength(1);
  stack.clock.advance(2_000);
  const replaced = await wallet.sender.advance(wallet.organizationId, 'slow');
  const [first, second] = await attemptsOf(wallet, 'slow');
  expect(replaced).toMatchObject({ state: 'broadcast', transactionHash: second?.transaction_hash });
  for (const fee of ['max_fee_per_gas', 'max_priority_fee_per_gas'] as const) {
    const [low, high] = [required(first, 'first')[fee], required(second, 'second')[fee]];
    expect(high * 1000n).toBeGreaterThanOrEqual(low * 1125n);
  }
  const outcome = await confirm(wallet, 'slow');
  expect(outcome).toMatchObject({ state: 'confirmed', receipt: { transactionHash: second?.transaction_hash } });
  expect(await nonceOf(wallet)).toBe(1);
});

test('the older attempt may be the one that lands', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('older'));
  stack.clock.advance(61_000);
  // The node never sees the replacement: it is stored, lost, and the first attempt is mined.
  chain.failNextSend('lost-before');
  await wallet.sender.advance(wallet.organizationId, 'older');
  const [first, second] = await attemptsOf(wallet, 'older');
  expect(second).toBeDefined();
  const outcome = await confirm(wallet, 'older');
  expect(outcome).toMatchObject({ state: 'confirmed', receipt: { transactionHash: first?.transaction_hash } });
});

test('two instances that find the same attempt too old sign one replacement', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('race'));
  stack.clock.advance(61_000);
  const other = stack.newSender(chain.client);
  await Promise.all([
    wallet.sender.advance(wallet.organizationId, 'race'),
    other.advance(wallet.organizationId, 'race'),
    other.advance(wallet.organizationId, 'race'),
  ]);
  expect(await attemptsOf(wallet, 'race')).toHaveLength(2);
  expect(await confirm(wallet, 'race')).toMatchObject({ state: 'confirmed' });
});

test('a transaction that a reorg removes goes back to broadcast and is sent again with the same bytes', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('reorged'));
  const bytes = required(chain.offered.at(-1), 'bytes');
  await chain.mine(1);
  expect(await wallet.sender.advance(wallet.organizationId, 'reorged')).toMatchObject({ state: 'broadcast' });
  await chain.reorg(1);
  expect(await nonceOf(wallet)).toBe(0);
  // Enough blocks for the policy, had it stayed.
  await chain.rpc('anvil_dropAllTransactions', []);
  await chain.mine(CONFIRMATIONS);
  expect(await wallet.sender.advance(wallet.organizationId, 'reorged')).toMatchObject({ state: 'broadcast' });
  expect(chain.offered.at(-1)).toBe(bytes);
  expect(await confirm(wallet, 'reorged')).toMatchObject({ state: 'confirmed' });
  expect(await nonceOf(wallet)).toBe(1);
});

test('a reorg deeper than the policy does not block the calls behind the one it removed', async () => {
  const wallet = await createWallet();
  // The gas money must lie in a block below those that the reorg takes away.
  await chain.mine(1);
  const before = await chain.client.getBalance({ address: RECIPIENT });
  await wallet.sender.submit(wallet.call('gone', { value: 2n }));
  expect(await confirm(wallet, 'gone')).toMatchObject({ state: 'confirmed' });
  await chain.reorg(CONFIRMATIONS + 1);
  await chain.rpc('anvil_dropAllTransactions', []);
  expect(await nonceOf(wallet)).toBe(0);

  await wallet.sender.submit(wallet.call('behind', { value: 3n }));
  expect((await intentRow(wallet, 'behind')).nonce).toBe(1n);
  expect(await wallet.sender.advance(wallet.organizationId, 'behind')).toMatchObject({
    state: 'broadcast',
    problem: expect.stringContaining('waits for gone'),
  });
  expect(await confirm(wallet, 'behind')).toMatchObject({ state: 'confirmed' });
  expect(await nonceOf(wallet)).toBe(2);
  expect(await chain.client.getBalance({ address: RECIPIENT })).toBe(before + 5n);
});

test('a nonce in front that no call of ours has is said', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('first'));
  await confirm(wallet, 'first');
  await inOrganization(stack.database, wallet.organizationId, (trx) =>
    trx('chain_signers').where({ address: wallet.address }).update({ next_nonce: 4 }),
  );
  await wallet.sender.submit(wallet.call('lonely'));
  expect(await wallet.sender.advance(wallet.organizationId, 'lonely')).toMatchObject({
    state: 'broadcast',
    problem: expect.stringContaining('waits for nonce 1'),
  });
});

test('a receipt whose block is not the canonical one is not believed', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('stale'));
  await chain.mine(CONFIRMATIONS);
  const stale = await chain.client.getTransactionReceipt({
    hash: required((await attemptsOf(wallet, 'stale'))[0], 'attempt').transaction_hash as `0x${string}`,
  });
  await chain.reorg(CONFIRMATIONS);
  await chain.rpc('anvil_dropAllTransactions', []);
  await chain.mine(CONFIRMATIONS);
  // A node that lags behind still shows the receipt of the block that is gone.
  const lagging = Object.assign(Object.create(chain.client), { getTransactionReceipt: async () => stale });
  const outcome = await stack.newSender(lagging).advance(wallet.organizationId, 'stale');
  expect(outcome).toMatchObject({ state: 'broadcast' });
  expect(await confirm(wallet, 'stale')).toMatchObject({ state: 'confirmed' });
});

test('a call that reverts in its estimate fails with its reason and takes no nonce', async () => {
  const wallet = await createWallet();
  const usdc = required(chain.deployment.tokens.USDC, 'USDC').address;
  const call = wallet.call('broke', { ...erc20Calls.transfer(usdc, RECIPIENT, 1n), value: 0n });
  const outcome = await wallet.sender.submit(call);
  expect(outcome).toEqual({ state: 'failed', detail: 'would revert: ERC20: transfer amount exceeds balance' });
  expect(await wallet.sender.submit(call)).toEqual(outcome);
  await wallet.sender.submit(wallet.call('after'));
  expect((await intentRow(wallet, 'after')).nonce).toBe(0n);
  expect(await confirm(wallet, 'after')).toMatchObject({ state: 'confirmed' });
});

test('a call that reverts in its block is final, says why and has used its nonce', async () => {
  const wallet = await createWallet();
  const usdc = required(chain.deployment.tokens.USDC, 'USDC').address;
  const sandbox = createChainSandbox(chain.client, chain.deployment);
  await Promise.all([sandbox.fundToken('USDC', wallet.address, 100n), minedSoon()]);
  const transfer = { ...erc20Calls.transfer(usdc, RECIPIENT, 100n), value: 0n };
  // Both estimates pass against the state before either is mined; only one can be paid.
  chain.failNextSend('lost-before');
  await wallet.sender.submit(wallet.call('first', transfer));
  await wallet.sender.submit(wallet.call('second', transfer));
  await wallet.sender.advance(wallet.organizationId, 'first');
  expect(await confirm(wallet, 'first')).toMatchObject({ state: 'confirmed' });
  const outcome = await wallet.sender.advance(wallet.organizationId, 'second');
  expect(outcome).toMatchObject({ state: 'reverted', receipt: { status: 'reverted' } });
  expect(outcome).toMatchObject({ detail: 'ERC20: transfer amount exceeds balance' });
  expect(await nonceOf(wallet)).toBe(2);
});

async function minedSoon(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  await chain.mine(1);
}

test('without gas money nothing is signed; it goes out once the money is there', async () => {
  const wallet = await createWallet(1_000n);
  const outcome = await wallet.sender.submit(wallet.call('poor'));
  expect(outcome).toMatchObject({ state: 'queued', transactionHash: null, problem: expect.stringContaining('wei') });
  await chain.rpc('anvil_setBalance', [wallet.address, `0x${ETHER.toString(16)}`]);
  expect(await wallet.sender.advance(wallet.organizationId, 'poor')).toMatchObject({ state: 'broadcast' });
  expect(await confirm(wallet, 'poor')).toMatchObject({ state: 'confirmed' });
});

test('fifty concurrent intents over two instances take the nonces 0 to 49, each once, and all land', async () => {
  const wallet = await createWallet(100n * ETHER);
  const other = stack.newSender(chain.client);
  const keys = Array.from({ length: 50 }, (_, index) => `many:${index}`);
  await Promise.all(keys.map((key, index) => (index % 2 ? wallet.sender : other).submit(wallet.call(key))));
  await chain.mine(CONFIRMATIONS);
  const outcomes = await Promise.all(keys.map((key) => other.advance(wallet.organizationId, key)));
  expect(outcomes.map((outcome) => outcome.state)).toEqual(keys.map(() => 'confirmed'));
  const rows = await Promise.all(keys.map((key) => intentRow(wallet, key)));
  expect(rows.map((row) => Number(row.nonce)).sort((a, b) => a - b)).toEqual(keys.map((_, index) => index));
  expect(await nonceOf(wallet)).toBe(50);
});

test('a call given up leaves its nonce to a transfer of nothing, and later calls pass', async () => {
  const wallet = await createWallet();
  const before = await chain.client.getBalance({ address: RECIPIENT });
  chain.failNextSend('lost-before');
  await wallet.sender.submit(wallet.call('stuck', { value: 7n }));
  await wallet.sender.submit(wallet.call('behind', { value: 1n }));
  await wallet.sender.cancel(wallet.organizationId, 'stuck', 'the operator said so');
  await chain.mine(CONFIRMATIONS);
  expect(await wallet.sender.advance(wallet.organizationId, 'stuck')).toEqual({
    state: 'failed',
    detail: 'given up: the operator said so',
  });
  expect(await wallet.sender.advance(wallet.organizationId, 'behind')).toMatchObject({ state: 'confirmed' });
  expect(await chain.client.getBalance({ address: RECIPIENT })).toBe(before + 1n);
});

test('a call that landed before its cancel is confirmed, not failed', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('late'));
  await chain.mine(1);
  await wallet.sender.cancel(wallet.organizationId, 'late', 'too late');
  expect(await confirm(wallet, 'late')).toMatchObject({ state: 'confirmed' });
});

test('bytes that no node will ever take do not block the queue', async () => {
  const wallet = await createWallet();
  const refusing = Object.assign(Object.create(chain.client), {
    request: async (call: { method: string; params: unknown[] }) => {
      if (call.method === 'eth_sendRawTransaction') throw new Error('oversized data');
      return chain.client.request(call as never);
    },
  });
  await stack.newSender(refusing).submit(wallet.call('oversized', { value: 3n }));
  expect((await attemptsOf(wallet, 'oversized')).map((row) => row.kind)).toEqual(['call', 'cancel']);
  expect(await wallet.sender.submit(wallet.call('next'))).toMatchObject({ state: 'broadcast' });
  await wallet.sender.advance(wallet.organizationId, 'oversized');
  expect(await confirm(wallet, 'oversized')).toMatchObject({ state: 'failed' });
  expect(await wallet.sender.advance(wallet.organizationId, 'next')).toMatchObject({ state: 'confirmed' });
});

test('a nonce that someone else used with our key fails the intent once that is confirmed', async () => {
  const wallet = await createWallet();
  chain.failNextSend('lost-before');
  await wallet.sender.submit(wallet.call('robbed'));
  await chain.rpc('anvil_impersonateAccount', [wallet.address]);
  await chain.rpc('eth_sendTransaction', [{ from: wallet.address, to: wallet.address, value: '0x0', nonce: '0x0' }]);
  await chain.mine(1);
  expect(await wallet.sender.advance(wallet.organizationId, 'robbed')).toMatchObject({ state: 'broadcast' });
  expect(await wallet.sender.advance(wallet.organizationId, 'robbed')).toMatchObject({
    state: 'broadcast',
    problem: expect.stringContaining('nonce 0'),
  });
  expect(await confirm(wallet, 'robbed')).toMatchObject({
    state: 'failed',
    detail: expect.stringContaining('not ours'),
  });
  expect(await wallet.sender.submit(wallet.call('fresh'))).toMatchObject({ state: 'broadcast' });
  expect((await intentRow(wallet, 'fresh')).nonce).toBe(1n);
});

test('nonces that the chain has used already are passed over', async () => {
  const wallet = await createWallet();
  await wallet.sender.submit(wallet.call('ours'));
  await chain.mine(1);
  await chain.rpc('anvil_impersonateAccount', [wallet.address]);
  await chain.rpc('eth_sendTransaction', [{ from: wallet.address, to: wallet.address, value: '0x0' }]);
  await chain.mine(1);
  await wallet.sender.submit(wallet.call('next'));
  expect((await intentRow(wallet, 'next')).nonce).toBe(2n);
  expect(await confirm(wallet, 'next')).toMatchObject({ state: 'confirmed' });
});

test('a node that does not answer changes nothing but the stated problem', async () => {
  const wallet = await createWallet();
  const dead = stack.newSender(
    createChainClient(
      { chainId: chain.deployment.chainId, rpcUrl: 'http://127.0.0.1:1' },
      { timeoutMs: 500, retryCount: 0 },
    ),
  );
  const queued = await dead.submit(wallet.call('outage'));
  expect(queued).toMatchObject({ state: 'queued', transactionHash: null, problem: expect.stringContaining('gas') });
  expect(await attemptsOf(wallet, 'outage')).toEqual([]);

  const sent = await wallet.sender.submit(wallet.call('outage'));
  expect(sent).toMatchObject({ state: 'broadcast' });
  expect(sent).not.toHaveProperty('problem');
  expect(await dead.advance(wallet.organizationId, 'outage')).toMatchObject({
    state: 'broadcast',
    problem: expect.stringContaining("can't be asked"),
  });
  expect(await confirm(wallet, 'outage')).toMatchObject({ state: 'confirmed' });
});

test('the sweeper finishes what nobody looks at, and one that throws does not stop the others', async () => {
  const [one, two] = [await createWallet(), await createWallet()];
  await one.sender.submit(one.call('left'));
  await two.sender.submit(two.call('broken'));
  await chain.mine(CONFIRMATIONS);
  const advance = one.sender.advance;
  const failures: string[] = [];
  const sweeping: ChainTransactionSender = {
    ...one.sender,
    async advance(organizationId, intentKey) {
      if (organizationId === two.organizationId) throw new Error('no');
      return advance(organizationId, intentKey);
    },
  };
  const report = await advancePendingIntents(sweeping, (intent) => failures.push(intent.intentKey));
  expect(report.failed).toBe(1);
  expect(failures).toEqual(['broken']);
  expect((await intentRow(one, 'left')).state).toBe('confirmed');
  await two.sender.advance(two.organizationId, 'broken');
});

test('pending intents are found over organizations by the worker, and by an organization only its own', async () => {
  const [one, two] = [await createWallet(), await createWallet()];
  await one.sender.submit(one.call('mine'));
  await two.sender.submit(two.call('theirs'));
  const all = await one.sender.pendingIntents();
  const keysOf = (organizationId: string) =>
    all.filter((intent) => intent.organizationId === organizationId).map((intent) => intent.intentKey);
  expect(keysOf(one.organizationId)).toEqual(['mine']);
  expect(keysOf(two.organizationId)).toEqual(['theirs']);
  expect(await one.sender.pendingIntents(one.organizationId)).toEqual([
    { organizationId: one.organizationId, intentKey: 'mine', state: 'broadcast' },
  ]);
  await expect(one.sender.advance(one.organizationId, 'theirs')).rejects.toThrow('theirs is missing');
  await confirm(one, 'mine');
  await two.sender.advance(two.organizationId, 'theirs');
  expect(await one.sender.pendingIntents(one.organizationId)).toEqual([]);
});
