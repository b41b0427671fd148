import { rmSync } from 'node:fs';
import { Client } from 'pg';
import { type Hex, parseTransaction, toFunctionSelector } from 'viem';
import { z } from 'zod';
import { writeDeployment } from '../../../embedded/chain/deployment-file';
import { borrowFromNowOn, buy, type Cardholding, GROCER, standingOf, usd } from '../../../embedded/demo/journey';
import { until } from '../../../embedded/demo/poll';
import * as shapes from '../../../embedded/demo/shapes';
import { temporaryFolder } from '../../../embedded/temporary-folder';
import { required } from '../../../services/shared/assert';
import { openCardAccount } from '../../builders/card-account';
import { type FaultPoints, type Passed, startFaultPoints } from '../../builders/fault-points';
import { readCardNetworkBook, readOffRampBook } from '../../builders/vendor-books';
import { startTestStack, wholeStackTimeout } from '../../setup/whole-stack';

const BORROW = toFunctionSelector('function borrow(address,uint256,uint256,uint16,address)');
const FUNDED_LIMIT_MS = 120_000;

/** Moments at which something has happened outside and the worker does not know it yet. */
const fatalMoments = {
  'the off-ramp took an order': ({ method, path, status }: Passed) =>
    method === 'POST' && path === '/v0/transfers' && status < 300,
  'the chain took the borrow': ({ request }: Passed) => sentTransactions(request).some(isBorrow),
  'the off-ramp paid out': ({ method, path, answer }: Passed) =>
    method === 'GET' && path.startsWith('/v0/transfers/') && answer.includes('"state":"payment_processed"'),
} as const;
type Moment = keyof typeof fatalMoments;
const moments = Object.keys(fatalMoments) as readonly Moment[];

const rpcCall = z.looseObject({ method: z.string(), params: z.array(z.unknown()).optional() });

function sentTransactions(body: string): readonly Hex[] {
  const parsed: unknown = JSON.parse(body);
  return z
    .array(rpcCall)
    .parse(Array.isArray(parsed) ? parsed : [parsed])
    .filter(({ method }) => method === 'eth_sendRawTransaction')
    .map(({ params }) => params?.[0] as Hex);
}

function isBorrow(raw: Hex): boolean {
  return parseTransaction(raw).data?.startsWith(BORROW) ?? false;
}

let stack: Awaited<ReturnType<typeof startTestStack>>;
let folder: string | undefined;
let offRamp: FaultPoints;
let chain: FaultPoints;
let database: Client;
let holding: Cardholding;

let armed = new Set<Moment>();
const died: { readonly moment: Moment; readonly known: string }[] = [];

/** Kills the worker when this answer is a moment that is still to come; each comes once. */
async function onAnswer(passed: Passed): Promise<boolean> {
  const moment = moments.find((one) => armed.has(one) && fatalMoments[one](passed));
  if (moment === undefined) return !stack.process('worker').isRunning();
  armed.delete(moment);
  await stack.kill('worker', 'SIGKILL');
  died.push({ moment, known: await knownOf(moment) });
  return true;
}

/** What the rows say about that moment's effect while the worker is dead. */
async function knownOf(moment: Moment): Promise<string> {
  const queries: Readonly<Record<Moment, string>> = {
    'the off-ramp took an order': 'SELECT count(vendor_order_id)::text AS known FROM sale_orders',
    'the chain took the borrow': `SELECT state AS known FROM chain_intents WHERE purpose = 'borrow'`,
    'the off-ramp paid out': `SELECT count(*)::text AS known FROM sale_orders WHERE state = 'paid_out'`,
  };
  const { rows } = await database.query<{ known: string }>(queries[moment]);
  return required(rows[0], `what is known when ${moment}`).known;
}

beforeAll(async () => {
  folder = temporaryFolder('escudo-fault-points-');
  const deploymentFile = `${folder}/deployment.json`;
  offRamp = await startFaultPoints(() => stack.surroundings.simulators['off-ramp-vendor'].url, onAnswer);
  chain = await startFaultPoints(() => stack.rpcUrl, onAnswer);
  stack = await startTestStack({
    only: ['postgres', 'temporal', 'anvil', 'card-network', 'kyc-vendor', 'off-ramp-vendor', 'api'],
    extraEnv: { worker: { BRIDGE_BASE_URL: offRamp.url, CHAIN_DEPLOYMENT_FILE: deploymentFile } },
  });
  writeDeployment(deploymentFile, { ...stack.deployment(), rpcUrl: chain.url });
  await stack.start('worker');
  database = new Client({ connectionString: stack.superuserUrl });
  await database.connect();
  holding = await openCardAccount(stack);
}, wholeStackTimeout);

afterAll(async () => {
  await database?.end();
  await stack?.end();
  await Promise.all([offRamp?.close(), chain?.close()]);
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

test('a worker killed between approval and funding, and at each effect outside, funds everything once', async () => {
  const { api, accountId, owner, auditor } = holding;
  const sold = await buy(holding, '42.50', GROCER);
  await borrowFromNowOn(holding);
  const borrowed = await buy(holding, '120.00', GROCER);
  await stack.kill('worker', 'SIGKILL');

  for (const [{ id }, amount] of [
    [sold, '42.50'],
    [borrowed, '120.00'],
  ] as const) {
    await api.post(shapes.reference, '/v1/simulate/clearings', {
      authorization_id: id,
      amount: usd(amount),
      final: true,
    });
  }
  const transactions = async (): Promise<readonly shapes.Transaction[]> => {
    const { data } = await api.get(shapes.listOf(shapes.transactionLine), `/v1/transactions?account_id=${accountId}`);
    return Promise.all(data.map(({ id }) => api.get(shapes.transaction, `/v1/transactions/${id}`)));
  };
  const partStates = (seen: readonly shapes.Transaction[]) =>
    seen.flatMap(({ parts }) => parts.map(({ kind, state }) => `${kind} ${state}`));
  const cleared = await until(
    'both clearings being posted without a worker',
    transactions,
    (seen) => seen.length === 2,
    (seen) => `${seen.length} transactions`,
  );
  expect(partStates(cleared).sort()).toEqual(['loan_draw posted', 'stablecoin_sale posted']);
  expect((await readOffRampBook(stack)).transfers).toEqual([]);
  expect(await auditor.borrows('USDC', owner)).toEqual([]);

  armed = new Set(moments);
  for (let deaths = 1; deaths <= moments.length; deaths += 1) {
    await stack.start('worker');
    await until(
      `death ${deaths} of the worker`,
      async () => died.length,
      (seen) => seen >= deaths,
      () => `still to come: ${[...armed].join(', ')}; ${died.map(({ moment }) => moment).join(', ')} came`,
      FUNDED_LIMIT_MS,
    );
    expect(stack.process('worker').isRunning()).toBe(false);
  }
  // Each time the effect was there and the rows did not know it.
  expect(Object.fromEntries(died.map(({ moment, known }) => [moment, known]))).toEqual({
    'the off-ramp took an order': '0',
    'the chain took the borrow': 'signed',
    'the off-ramp paid out': '0',
  });

  await stack.start('worker');
  const funded = await until(
    'both clearings being funded',
    transactions,
    (seen) => seen.every(({ state, parts }) => state !== 'posted' && parts.every((part) => part.state === 'funded')),
    (seen) => partStates(seen).join(', '),
    FUNDED_LIMIT_MS,
  );
  const parts = funded.flatMap((transaction) => transaction.parts);
  expect(parts.map(({ kind }) => kind).sort()).toEqual(['loan_draw', 'stablecoin_sale']);

  const draw = required(parts.find(({ kind }) => kind === 'loan_draw')?.draw, 'the draw');
  const borrows = await auditor.borrows('USDC', owner);
  expect(borrows).toEqual([baseUnits(draw.amount.amount)]);

  const { transfers, unmatched_deposits } = await readOffRampBook(stack);
  expect(transfers.map(({ state }) => state)).toEqual(['payment_processed', 'payment_processed']);
  expect(transfers.map(({ received }) => baseUnits(received)).sort(ascending)).toEqual(
    parts.map(({ sale }) => baseUnits(required(sale, 'the sale of a part').sold.amount)).sort(ascending),
  );
  expect(unmatched_deposits).toEqual([]);
}, 400_000);

test('no hold is left', async () => {
  const { api } = holding;
  const { data } = await api.get(shapes.listOf(z.looseObject({ state: z.string() })), '/v1/authorizations?limit=100');
  expect(data.map(({ state }) => state)).toEqual(['cleared', 'cleared']);
  const { balances, credit } = await standingOf(holding);
  expect(balances.filter(({ held }) => Number(held.amount) !== 0)).toEqual([]);
  expect([credit['held'], credit.unconfirmed].map((one) => Number(shapes.money.parse(one).amount))).toEqual([0, 0]);
  expect((await readCardNetworkBook(stack)).totals).toMatchObject({ hold_amount: 0, net_amount: 16_250 });
});

test('the books agree with the chain, the bank, the off-ramp and the network', async () => {
  const { ok, proofs } = await holding.api.post(shapes.reconciliation, '/v1/reconciliation');
  expect(proofs.filter((proof) => !proof.ok)).toEqual([]);
  expect(proofs.length).toBeGreaterThan(10);
  expect(ok).toBe(true);
});

/** Of an amount of USDC with or without all of its six decimals. */
function baseUnits(decimal: string): bigint {
  const [whole, fraction = ''] = decimal.split('.');
  return BigInt(`${whole}${fraction.padEnd(6, '0')}`);
}

function ascending(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
