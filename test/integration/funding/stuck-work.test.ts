import { Client } from 'pg';
import { releaseCollateral } from '../../../services/collateral/release-collateral';
import { creditDeposit } from '../../../services/deposits/credit-deposit';
import { sellStablecoin } from '../../../services/funding/sell-stablecoin';
import { listStuckWork } from '../../../services/operations/list-stuck-work';
import { retryStuckWork } from '../../../services/operations/retry-stuck-work';
import type { OffRamp } from '../../../services/providers/off-ramp/port';
import { required } from '../../../services/shared/assert';
import type { StepResult } from '../../../services/shared/step';
import { tokenAddress } from '../../../services/treasury/wallets';
import { createFundingWorld } from '../../builders/funding-world';
import { startOwnChain } from '../../setup/own-chain';

const USDC = 1_000_000n;

let chain: Awaited<ReturnType<typeof startOwnChain>>;
let world: Awaited<ReturnType<typeof createFundingWorld>>;
let sql: Client;

beforeAll(async () => {
  chain = await startOwnChain();
  world = await createFundingWorld(chain);
  sql = new Client({ connectionString: world.superuserUrl });
  await sql.connect();
});

afterAll(async () => {
  await sql.end();
  await world.close();
  await chain.stop();
});

type Holder = Awaited<ReturnType<typeof world.holder>>;

function stuck({ inside, organizationId }: Holder) {
  return inside((trx) => listStuckWork(trx, { organizationId, limit: 10 }));
}

function retry({ inside, organizationId }: Holder, kind: 'sale' | 'sweep' | 'settlement', id: string) {
  return inside((trx) => retryStuckWork(trx, { organizationId, kind, id }));
}

function reasonOf(result: StepResult): string {
  return result.done ? '' : result.reason;
}

test('a sale out of attempts is listed, sold once more on an operator’s word, and then no longer stuck', async () => {
  const holder = await world.holder();
  const { organizationId } = holder;
  await holder.deposit('USDC', 100n * USDC);
  const { postings } = await holder.spend(2_000n);
  const postingId = required(postings[0], 'posting');
  const key = { organizationId, postingId };
  expect(await retry(holder, 'sale', postingId)).toMatchObject({ ok: false, error: { code: 'not_found' } });
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await world.bridge.sandbox.planNextOrder('return');
    await world.drive(
      () => sellStablecoin(world.deps, key),
      (result) => reasonOf(result).startsWith(`attempt ${attempt + 1}:`),
    );
  }
  expect(await sellStablecoin(world.deps, key)).toMatchObject({ done: false, state: 'failed' });
  expect(await stuck(holder)).toMatchObject([{ kind: 'sale', id: postingId, state: 'requested', tries: 3 }]);

  expect(await retry(holder, 'sale', postingId)).toMatchObject({ ok: true });
  expect(await stuck(holder)).toEqual([]);
  expect(await retry(holder, 'sale', postingId)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
  const command = (await holder.rows('outbox_commands')).find((row) => row.workflow_id === `sale:${postingId}`);
  expect(command).toMatchObject({ workflow_type: 'fundSale', payload: { organizationId, postingId } });
  const sold = await world.drive(() => sellStablecoin(world.deps, key));
  expect(sold.state).toBe('paid_out');
  expect((await holder.rows('sale_orders'))[0]).toMatchObject({ attempt: 4, state: 'paid_out' });
  expect(await holder.openPositions()).toEqual([]);
  await holder.expectSound();
});

test('two payouts that name one entry of the bank: the second waits for an operator', async () => {
  const holder = await world.holder();
  const { organizationId } = holder;
  await holder.deposit('USDC', 100n * USDC);
  const first = required((await holder.spend(2_000n)).postings[0], 'posting');
  const second = required((await holder.spend(2_000n)).postings[0], 'posting');
  await world.drive(() => sellStablecoin(world.deps, { organizationId, postingId: first }));
  const paid = required((await holder.rows('sale_orders'))[0], 'a sale');
  const real = world.deps.offRamp;
  const offRamp: OffRamp = {
    vendor: real.vendor,
    quote: (input) => real.quote(input),
    createOrder: (input) => real.createOrder(input),
    findOrder: (key) => real.findOrder(key),
    getOrder: async (id) => {
      const answer = await real.getOrder(id);
      return answer.kind === 'ok'
        ? { ...answer, value: { ...answer.value, bankReference: paid.bank_reference } }
        : answer;
    },
  };
  const step = () => sellStablecoin({ ...world.deps, offRamp }, { organizationId, postingId: second });
  const result = await world.drive(step, ({ state }) => state === 'unknown');
  expect(reasonOf(result)).toMatch(/already pays the sale/);
  expect(await stuck(holder)).toMatchObject([{ kind: 'sale', id: second, state: 'unknown' }]);
  // Its tokens are at the vendor: it is asked after, and never sold again.
  expect(await retry(holder, 'sale', second)).toMatchObject({ ok: true });
  await world.drive(() => sellStablecoin(world.deps, { organizationId, postingId: second }));
  const sales = await holder.rows('sale_orders');
  expect(sales.map((sale) => [sale.state, sale.attempt])).toEqual([
    ['paid_out', 1],
    ['paid_out', 1],
  ]);
  await holder.expectSound();
});

test('a sweep that failed for good is tried again by a transaction of its own', async () => {
  const holder = await world.holder();
  const { organizationId } = holder;
  await world.sandbox.fundToken('USDC', holder.own.address, 7n * USDC);
  await world.scan();
  const deposit = required((await holder.rows('deposits'))[0], 'deposit');
  const intent = `deposit:${deposit.id}:sweep`;
  const token = tokenAddress(world.deps.deployment, 'USDC');
  const call = world.deps.calls.transfer(token, holder.wallets.treasury.address, 7n * USDC);
  // As it would stand if the node had refused it for good.
  await sql.query(
    `INSERT INTO chain_intents (organization_id, intent_key, chain_id, purpose, signer, signer_address, to_address, call_data,
       call_value, state, failure_detail, created_at, updated_at)
     VALUES ($1, $2, $3, 'sweep-deposit', $4, $5, $6, $7, 0, 'failed', 'refused', now(), now())`,
    [
      organizationId,
      intent,
      world.deps.deployment.chainId,
      JSON.stringify(holder.own.signer),
      holder.own.address,
      call.to,
      call.data,
    ],
  );
  const step = () => creditDeposit(world.deps, { organizationId, depositId: deposit.id });
  await world.drive(step, (result) => reasonOf(result).startsWith('the sweep failed'));
  expect(await stuck(holder)).toMatchObject([{ kind: 'sweep', id: deposit.id, reason: 'refused', tries: 1 }]);
  expect(await retry(holder, 'sweep', deposit.id)).toMatchObject({ ok: true });
  expect(await stuck(holder)).toEqual([]);
  expect((await world.drive(step)).state).toBe('swept');
  const swept = await sql.query(
    "SELECT state FROM chain_intents WHERE organization_id = $1 AND intent_key = $2 || ':2'",
    [organizationId, intent],
  );
  expect(swept.rows).toEqual([{ state: 'confirmed' }]);
  await holder.expectSound();
});

test('collateral stays while the price of what is owed is too old to tell', async () => {
  const holder = await world.holder({ credit: true, collateral: { WETH: 10n ** 18n } });
  const { organizationId, accountId } = holder;
  await sql.query('UPDATE accounts SET loan_hold = 1000000 WHERE id = $1', [accountId]);
  const asked = { organizationId, accountId, asset: 'WETH', amount: 1n };
  await world.watch();
  await sql.query("UPDATE asset_prices SET observed_at = now() - interval '100 days' WHERE asset = 'USDC'");
  try {
    const refused = await holder.inside((trx) => releaseCollateral(trx, world.deps, asked));
    expect(refused).toMatchObject({ ok: false, error: { code: 'price_unavailable' } });
    if (!refused.ok) expect(refused.error.detail).toMatch(/USDC is stale/);
  } finally {
    await sql.query("UPDATE asset_prices SET observed_at = now() WHERE asset = 'USDC'");
  }
});
