import { rmSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import { readEmbeddedConfig } from '../embedded/config';
import { freePort } from '../embedded/free-port';
import { startTemporal } from '../embedded/temporal';
import { findTemporalBinary } from '../embedded/temporal-binary';
import { temporaryFolder } from '../embedded/temporary-folder';
import { createAuthorizerPool } from '../services/authorizations/authorizer-pool';
import { plainRequest, replyOf } from '../services/authorizations/decide-for-workflow';
import { createKnex } from '../services/database/knex';
import { newId } from '../services/database/new-id';
import { required } from '../services/shared/assert';
import { systemClock } from '../services/shared/clock';
import { createTemporalClient } from '../services/temporal/client';
import type { WorkflowType } from '../services/temporal/port';
import { sendRuntimeLog } from '../services/temporal/runtime-log';
import { startTemporalWorker } from '../services/temporal/temporal-worker';
import { createWorkflowAsker } from '../services/temporal/workflow-asker';
import { bundleWorkflows } from '../services/temporal/workflow-bundle';
import { createSpendingWorld, purchase, type SpendingWorld } from '../test/builders/spending-world';
import { createTestAuthorizer } from '../test/builders/test-authorizer';
import { createSpendAuthorizationActivities } from '../workflows/spend-authorization/activities';
import { startBenchDatabase } from './bench-database';
import { closedLoop, report, type Series, summary, toRun } from './measure';

/** Calls of one kind in a row, so that what one leaves behind weighs on its own kind. */
const BLOCK = 20;
const ACCOUNTS = 500;
const PATIENCE_MS = 30_000;

/**
 * The workflow path beside an empty Update-with-Start: same server, client, worker, codec, options and question; the one
 * decides, commits and stays to follow the purchase, the other answers at once and ends. Blocks of both take turns.
 */
export async function benchWorkflowPath(json: boolean, seconds: number): Promise<void> {
  const folder = temporaryFolder('escudo-bench-temporal-');
  const database = await startBenchDatabase();
  const server = await startTemporal({
    binary: await findTemporalBinary(readEmbeddedConfig(), () => undefined),
    port: await freePort(),
    logFile: path.join(folder, 'temporal.log'),
  });
  const settings = { ...server, taskQueue: 'bench', codecKey: Buffer.alloc(32, 7) };
  const temporal = createTemporalClient(settings);
  const pool = createAuthorizerPool(database.urls.escudo_authorizer, 4);
  const app = createKnex(database.urls.escudo_app, 4, 'bench');
  const world = await benchWorld(database.superuserUrl);
  sendRuntimeLog('ERROR', () => undefined);
  const worker = await startTemporalWorker({
    settings,
    bundle: await bundleWorkflows(require.resolve('./workflows/index')),
    activities: createSpendAuthorizationActivities({
      authorizer: createTestAuthorizer(pool, {
        limits: { inFlightMax: 4, besideFrom: 0, batchMax: 1, waitingMax: 1_000 },
        accountsKeptMax: 20_000,
      }),
      knex: app,
      clock: systemClock,
    }),
  });
  const asker = createWorkflowAsker(temporal);
  const ask = (workflowType: string) => async () => {
    const authorizationId = newId();
    const account = required(world.accounts[Math.floor(Math.random() * world.accounts.length)], 'an account');
    const outcome = await asker.ask(
      {
        workflowType: workflowType as WorkflowType,
        workflowId: `authorization:${authorizationId}`,
        input: { organizationId: world.organizationId, authorizationId, asked: 'clearing' },
        update: 'decide',
        argument: plainRequest(purchase(account, 500n)),
      },
      PATIENCE_MS,
    );
    if (outcome.kind !== 'answered') throw new Error(outcome.detail);
    const reply = replyOf(outcome.answer);
    if (workflowType === 'spendAuthorization' && reply.outcome !== 'approved')
      throw new Error(`declined: ${reply.declineReason}`);
  };
  try {
    const [empty, decided] = await inTurns(seconds, [ask('emptyAnswer'), ask('spendAuthorization')]);
    const busyEmpty = await closedLoop(8, seconds, ask('emptyAnswer'));
    const busy = await closedLoop(8, seconds, ask('spendAuthorization'));
    report(
      'workflow-path',
      [
        toRun('empty', 1, empty, empty),
        toRun('workflow', 1, decided, empty),
        toRun('empty', 8, busyEmpty, busyEmpty),
        toRun('workflow', 8, busy, busyEmpty),
      ],
      json,
      {
        p50_over_empty: Number((decided.p50 / empty.p50).toFixed(3)),
        p50_over_empty_at_8: Number((busy.p50 / busyEmpty.p50).toFixed(3)),
        calls: decided.calls,
      },
    );
  } finally {
    await worker.stop();
    await temporal.close();
    await Promise.all([pool.end(), app.destroy()]);
    await server.stop();
    await database.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function inTurns(
  seconds: number,
  calls: readonly [() => Promise<void>, () => Promise<void>],
): Promise<readonly [Series, Series]> {
  for (const call of calls) for (let n = 0; n < BLOCK; n += 1) await call();
  const times: [number[], number[]] = [[], []];
  const elapsed: [number, number] = [0, 0];
  const until = performance.now() + 2 * seconds * 1_000;
  while (performance.now() < until) {
    for (const which of [0, 1] as const) {
      const blockBegan = performance.now();
      for (let n = 0; n < BLOCK; n += 1) {
        const began = performance.now();
        await calls[which]();
        times[which].push(performance.now() - began);
      }
      elapsed[which] += performance.now() - blockBegan;
    }
  }
  return [summary(times[0], elapsed[0] / 1_000), summary(times[1], elapsed[1] / 1_000)];
}

async function benchWorld(superuserUrl: string): Promise<SpendingWorld> {
  const world = await createSpendingWorld(superuserUrl, {
    accounts: ACCOUNTS,
    funds: { USDC: 10n ** 15n },
    policy: { limits: { per_transaction_amount: '1000000', day_amount: '100000000000' } },
  });
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query('ANALYZE');
  await client.end();
  return world;
}
