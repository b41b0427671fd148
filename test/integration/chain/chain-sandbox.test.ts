import { createChainReader } from '../../../services/chain/chain-reader';
import { createChainSandbox } from '../../../services/chain/chain-sandbox';
import { createChainClient } from '../../../services/chain/clients';
import type { Address } from '../../../services/chain/port';
import { required } from '../../../services/shared/assert';
import { type ManualChain, startManualChain } from './manual-chain';

const ALICE: Address = '0x00000000000000000000000000000000000000A1';
const AT_ONCE = 24;

let chain: ManualChain;

beforeAll(async () => {
  chain = await startManualChain();
});

afterAll(() => chain?.stop());

test('deposits that two processes send from one faucet at the same moment all arrive, each once', async () => {
  const usdc = required(chain.deployment.tokens.USDC, 'USDC').address;
  const sandboxes = [chain.client, createChainClient(chain.deployment)].map((client) =>
    createChainSandbox(client, chain.deployment),
  );
  const mining = setInterval(() => void chain.mine(1), 100);
  try {
    const sent = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) =>
        required(sandboxes[index % sandboxes.length], 'sandbox').fundToken('USDC', ALICE, 5n),
      ),
    );
    expect(new Set(sent.map(({ transactionHash }) => transactionHash)).size).toBe(AT_ONCE);
  } finally {
    clearInterval(mining);
  }
  const reader = createChainReader(chain.client);
  const arrived = await reader.tokenTransfers([usdc], 0n, (await reader.head()).number, [ALICE]);
  expect(arrived.map(({ amount }) => amount)).toEqual(Array.from({ length: AT_ONCE }, () => 5n));
});
