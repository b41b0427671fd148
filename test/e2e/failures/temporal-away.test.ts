import { Client, Connection } from '@temporalio/client';
import { Client as Database } from 'pg';
import { z } from 'zod';
import { buy, type Cardholding, GROCER, usd } from '../../../embedded/demo/journey';
import { until } from '../../../embedded/demo/poll';
import * as shapes from '../../../embedded/demo/shapes';
import { required } from '../../../services/shared/assert';
import { parseId } from '../../../services/shared/ids';
import { openCardAccount } from '../../builders/card-account';
import { readCardNetworkBook, readOffRampBook } from '../../builders/vendor-books';
import { startTestStack, wholeStackTimeout } from '../../setup/whole-stack';

const BACK_LIMIT_MS = 120_000;
const FUNDED_LIMIT_MS = 120_000;
const AMOUNTS = ['11.00', '12.00', '13.00'] as const;

const readiness = z.looseObject({
  status: z.string(),
  dependencies: z.array(z.looseObject({ name: z.string(), ok: z.boolean() })),
});

let stack: Awaited<ReturnType<typeof startTestStack>>;
let holding: Cardholding;

beforeAll(async () => {
  stack = await startTestStack();
  holding = await openCardAccount(stack);
}, wholeStackTimeout);

afterAll(async () => {
  await stack?.end();
});

async function readyz(): Promise<{ status: number; said: string; missing: readonly string[] }> {
  const response = await fetch(`${stack.apiUrl}/readyz`);
  const { status, dependencies } = readiness.parse(await response.json());
  return {
    status: response.status,
    said: status,
    missing: dependencies.filter(({ ok }) => !ok).map(({ name }) => name),
  };
}

/** The workflow id of every run of these types that Temporal knows of. */
async function runsOf(...types: readonly string[]): Promise<readonly string[]> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  try {
    const client = new Client({ connection, namespace: 'default' });
    const runs: string[] = [];
    for await (const { type, workflowId } of client.workflow.list()) if (types.includes(type)) runs.push(workflowId);
    return runs.sort();
  } finally {
    await connection.close();
  }
}

/** What became of the outbox's rows for these workflows: commands, and the batches that their holds were placed in. */
async function outboxRowsOf(
  workflowIds: readonly string[],
): Promise<readonly { readonly told: boolean; readonly failed: boolean }[]> {
  const database = new Database({ connectionString: stack.superuserUrl });
  await database.connect();
  try {
    const { rows } = await database.query<{ told: boolean; failed: boolean }>(
      `SELECT done_at IS NOT NULL AS told, failure IS NOT NULL AS failed FROM outbox_commands WHERE workflow_id = ANY($1)
       UNION ALL
       SELECT done_at IS NOT NULL, failure IS NOT NULL FROM outbox_batches
       WHERE EXISTS (SELECT FROM jsonb_array_elements(holds) hold WHERE 'authorization:' || (hold ->> 1) = ANY($1))`,
      [workflowIds],
    );
    return rows;
  } finally {
    await database.end();
  }
}

function uuidOf(authorizationId: string): string {
  const parsed = parseId('authorization', authorizationId);
  if (!parsed.ok) throw new Error(`not an authorization's id: ${authorizationId}`);
  return parsed.value;
}

async function clear(authorizationId: string, amount: string): Promise<void> {
  await holding.api.post(shapes.reference, '/v1/simulate/clearings', {
    authorization_id: authorizationId,
    amount: usd(amount),
    final: true,
  });
}

async function cleared(): Promise<readonly shapes.Transaction[]> {
  const { api, accountId } = holding;
  const { data } = await api.get(shapes.listOf(shapes.transactionLine), `/v1/transactions?account_id=${accountId}`);
  return Promise.all(data.map(({ id }) => api.get(shapes.transaction, `/v1/transactions/${id}`)));
}

test('without Temporal cards go on, and afterwards every purchase is followed and funded once', async () => {
  expect(await readyz()).toEqual({ status: 200, said: 'ready', missing: [] });
  await stack.stopPart('temporal');
  expect(await readyz()).toEqual({ status: 200, said: 'degraded', missing: ['temporal'] });

  const purchases: { readonly id: string; readonly amount: string; readonly workflowId: string }[] = [];
  for (const amount of AMOUNTS) {
    const { id } = await buy(holding, amount, GROCER);
    purchases.push({ id, amount, workflowId: `authorization:${uuidOf(id)}` });
  }
  const [firstOrNone, ...others] = purchases;
  const first = required(firstOrNone, 'the first purchase');
  await clear(first.id, first.amount);
  const [posted] = await until(
    'the clearing being posted without Temporal',
    cleared,
    (seen) => seen.length === 1,
    (seen) => `${seen.length} transactions`,
  );
  expect(posted?.parts.map(({ kind, state }) => `${kind} ${state}`)).toEqual(['stablecoin_sale posted']);
  expect((await readOffRampBook(stack)).transfers).toEqual([]);

  // Temporal is away for so long that telling it has failed for each row, and none is thought done.
  const waiting = await until(
    'every row of the outbox being postponed',
    () => outboxRowsOf(purchases.map(({ workflowId }) => workflowId)),
    (seen) => seen.every(({ told, failed }) => told || failed),
    (seen) => `${seen.filter(({ failed }) => failed).length} of ${seen.length}`,
    BACK_LIMIT_MS,
  );
  expect(waiting).toEqual(Array.from({ length: purchases.length + 1 }, () => ({ told: false, failed: true })));

  await stack.start('temporal');
  const expected = others.map(({ workflowId }) => workflowId).sort();
  const followed = await until(
    'every purchase being followed',
    () => runsOf('spendAuthorization'),
    (seen) => purchases.every(({ workflowId }) => seen.includes(workflowId)),
    (seen) => seen.join(', '),
    BACK_LIMIT_MS,
  );
  // The cleared one may have ended before its clearing's own signal came: then that looked once more and found nothing to do.
  expect(followed.filter((workflowId) => workflowId !== first.workflowId)).toEqual(expected);
  expect(await readyz()).toEqual({ status: 200, said: 'ready', missing: [] });

  for (const { id, amount } of others) await clear(id, amount);
  const funded = await until(
    'every clearing being funded',
    cleared,
    (seen) =>
      seen.length === purchases.length &&
      seen.every(({ state, parts }) => state !== 'posted' && parts.every((part) => part.state === 'funded')),
    (seen) => seen.flatMap(({ parts }) => parts.map(({ kind, state }) => `${kind} ${state}`)).join(', '),
    FUNDED_LIMIT_MS,
  );
  expect(funded.map(({ amount }) => amount.amount).sort()).toEqual([...AMOUNTS]);
  // A vendor's message that comes after a sale has ended has it look once more; money moved once, as the vendor's book says.
  expect(new Set(await runsOf('fundSale')).size).toBe(purchases.length);
  expect(new Set(await runsOf('spendAuthorization'))).toEqual(new Set(purchases.map(({ workflowId }) => workflowId)));
  expect((await readOffRampBook(stack)).transfers.map(({ state }) => state)).toEqual(
    purchases.map(() => 'payment_processed'),
  );
  expect((await readCardNetworkBook(stack)).totals).toMatchObject({ hold_amount: 0, net_amount: 3_600 });
}, 300_000);

/** How many requests workflows answered, by the api's own count. */
async function answeredByWorkflows(): Promise<number> {
  const metrics = await (await fetch(`${stack.apiUrl}/metrics`)).text();
  const line = /^escudo_authorization_path_total\{path="workflow",fallback="none"\} (\d+)$/m.exec(metrics);
  return Number(line?.[1] ?? 0);
}

test('a program on the workflow path has its purchases decided by the workflows that follow and fund them', async () => {
  const database = new Database({ connectionString: stack.superuserUrl });
  await database.connect();
  await database.query("UPDATE programs SET authorization_path = 'workflow'");
  await database.end();
  const before = (await cleared()).length;
  const bought: { readonly id: string }[] = [];
  // One that takes too long on a busy machine is answered directly, and is as good; some workflow answers in time.
  await until(
    'a workflow answering in time',
    async () => {
      bought.push(await buy(holding, '1.00', GROCER));
      return answeredByWorkflows();
    },
    (count) => count > 0,
    (count) => `${count} of ${bought.length}`,
    BACK_LIMIT_MS,
  );
  for (const { id } of bought) await clear(id, '1.00');
  await until(
    'every one of them being funded',
    cleared,
    (seen) =>
      seen.length === before + bought.length &&
      seen.every(({ parts }) => parts.every((part) => part.state === 'funded')),
    (seen) => seen.flatMap(({ parts }) => parts.map(({ kind, state }) => `${kind} ${state}`)).join(', '),
    FUNDED_LIMIT_MS,
  );
  const ids = bought.map(({ id }) => `authorization:${uuidOf(id)}`).sort();
  expect([...new Set(await runsOf('spendAuthorization'))].filter((id) => ids.includes(id)).sort()).toEqual(ids);
}, 300_000);

test('the books agree with everybody outside', async () => {
  const { ok, proofs } = await holding.api.post(shapes.reconciliation, '/v1/reconciliation');
  expect(proofs.filter((proof) => !proof.ok)).toEqual([]);
  expect(ok).toBe(true);
});
