import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { readEmbeddedConfig } from '../../embedded/config';
import { freePort } from '../../embedded/free-port';
import { startTemporal } from '../../embedded/temporal';
import { findTemporalBinary } from '../../embedded/temporal-binary';
import { createKnex } from '../../services/database/knex';
import { newId } from '../../services/database/new-id';
import { inOrganization } from '../../services/database/transaction';
import { appendCommand } from '../../services/outbox/append-command';
import { readBacklog } from '../../services/outbox/read-backlog';
import {
  DEFAULT_RELAY_OPTIONS,
  type RelayedWorkflow,
  type RelayObserver,
  startRelay,
} from '../../services/outbox/relay';
import { createTemporalClient, type TemporalClient } from '../../services/temporal/client';
import type { WorkflowStarter } from '../../services/temporal/port';
import { createWorkflowStarter } from '../../services/temporal/workflow-starter';
import { createSpendingWorld } from '../builders/spending-world';
import { eventually, TEST_CODEC_KEY } from '../builders/temporal-world';
import { createTestDatabase, type TestDatabase } from '../setup/database';
import { temporalServer } from '../setup/temporal';

function observer(): RelayObserver & {
  readonly outcomes: { readonly workflow: RelayedWorkflow; readonly outcome: string }[];
  readonly postponements: string[];
  readonly failures: unknown[];
} {
  const outcomes: { workflow: RelayedWorkflow; outcome: string }[] = [];
  const postponements: string[] = [];
  const failures: unknown[] = [];
  return {
    outcomes,
    postponements,
    failures,
    relayed: (workflow, outcome) => void outcomes.push({ workflow, outcome }),
    postponed: (_workflow, detail) => void postponements.push(detail),
    failed: (error) => void failures.push(error),
  };
}

describe('outbox relay', () => {
  let database: TestDatabase;
  let app: Knex;
  let worker: Knex;
  let organizationId: string;
  let temporal: TemporalClient;
  let starter: WorkflowStarter;
  const server = temporalServer();

  beforeAll(async () => {
    database = await createTestDatabase();
    app = createKnex(database.urls.escudo_app, 4, 'test-app');
    worker = createKnex(database.urls.escudo_worker, 4, 'test-worker');
    ({ organizationId } = await createSpendingWorld(database.superuserUrl, { accounts: 0 }));
    temporal = createTemporalClient({ ...server, codecKey: TEST_CODEC_KEY });
    starter = createWorkflowStarter(temporal);
  });

  afterAll(async () => {
    await temporal.close();
    await Promise.all([app.destroy(), worker.destroy()]);
    await database.drop();
  });

  async function append(cardIds: readonly string[], signal?: string): Promise<void> {
    await inOrganization(app, organizationId, async (trx) => {
      for (const cardId of cardIds) {
        await appendCommand(trx, {
          organizationId,
          workflowType: 'cardIssuance',
          workflowId: `card-issuance:${cardId}`,
          payload: { organizationId, cardId },
          ...(signal === undefined ? {} : { signal }),
        });
      }
    });
  }

  const waiting = async () => {
    const { commands, batches } = await readBacklog(worker);
    return commands.waiting + batches.waiting;
  };
  const drained = () => eventually('every command is done', async () => (await waiting()) === 0);

  it('two relays carry 500 commands to Temporal, each workflow started exactly once', async () => {
    const cardIds = Array.from({ length: 500 }, newId);
    await append(cardIds);
    const seen = observer();
    const relays = [1, 2].map(() => startRelay({ knex: worker, starter, observe: seen }));
    await drained();
    await Promise.all(relays.map((relay) => relay.stop()));
    expect(seen.failures).toEqual([]);
    expect(seen.outcomes).toHaveLength(500);
    expect(seen.outcomes.every(({ outcome }) => outcome === 'started')).toBe(true);
    expect(new Set(seen.outcomes.map(({ workflow }) => workflow.workflowId)).size).toBe(500);
    await eventually('Temporal lists 500 workflows', async () => {
      const { count } = await temporal.client.workflow.count(`TaskQueue = '${server.taskQueue}'`);
      return count === 500;
    });
  });

  it('two relays start the workflow of each hold of committed batches exactly once, however often it is asked for', async () => {
    const holds = Array.from({ length: 400 }, () => [organizationId, newId()] as const);
    const client = new Client({ connectionString: database.superuserUrl });
    await client.connect();
    for (let from = 0; from < holds.length; from += 25) {
      await client.query('INSERT INTO outbox_batches (id, holds, respond_by) VALUES ($1, $2, now())', [
        newId(),
        JSON.stringify(holds.slice(from, from + 25)),
      ]);
    }
    await client.end();
    // Some were started before: by a request on the workflow path, or by a relay that died.
    for (const [, authorizationId] of holds.slice(0, 30)) {
      await starter.start({
        workflowType: 'spendAuthorization',
        workflowId: `authorization:${authorizationId}`,
        input: { organizationId, authorizationId },
      });
    }
    const seen = observer();
    const relays = [1, 2].map(() => startRelay({ knex: worker, starter, observe: seen }));
    await drained();
    await Promise.all(relays.map((relay) => relay.stop()));
    expect(seen.failures).toEqual([]);
    expect(seen.outcomes.filter(({ outcome }) => outcome === 'started')).toHaveLength(370);
    expect(seen.outcomes.filter(({ outcome }) => outcome === 'already_started')).toHaveLength(30);
    const runs: string[] = [];
    await eventually('Temporal lists them', async () => {
      runs.length = 0;
      const query = `TaskQueue = '${server.taskQueue}' AND WorkflowType = 'spendAuthorization'`;
      for await (const { workflowId } of temporal.client.workflow.list({ query })) runs.push(workflowId);
      return runs.length >= holds.length;
    });
    expect(runs.sort()).toEqual(holds.map(([, authorizationId]) => `authorization:${authorizationId}`).sort());
  });

  it('a relay that died between telling Temporal and writing it down costs a repetition, not a second workflow', async () => {
    const cardId = newId();
    await append([cardId]);
    const told: string[] = [];
    const dying: WorkflowStarter = {
      ...starter,
      async start(workflow) {
        const outcome = await starter.start(workflow);
        told.push(outcome.kind);
        if (told.length === 1) throw new Error('killed here');
        return outcome;
      },
    };
    const seen = observer();
    const relay = startRelay(
      { knex: worker, starter: dying, observe: seen },
      { ...DEFAULT_RELAY_OPTIONS, leaseMs: 300 },
    );
    await drained();
    await relay.stop();
    expect(told).toEqual(['started', 'already_started']);
    expect(seen.outcomes.map(({ outcome }) => outcome)).toEqual(['already_started']);
  });

  it('a signal carries its command id, so that a repeated one is recognised', async () => {
    const cardId = newId();
    await append([cardId], 'cardStateChanged');
    const signals: string[] = [];
    const noting: WorkflowStarter = {
      ...starter,
      async signalWithStart(workflow) {
        signals.push(workflow.messageId);
        if (signals.length === 1) throw new Error('killed here');
        return starter.signalWithStart(workflow);
      },
    };
    const relay = startRelay(
      { knex: worker, starter: noting, observe: observer() },
      { ...DEFAULT_RELAY_OPTIONS, leaseMs: 300 },
    );
    await drained();
    await relay.stop();
    expect(signals).toHaveLength(2);
    expect(signals[0]).toBe(signals[1]);
    const { events } = await temporal.client.workflow.getHandle(`card-issuance:${cardId}`).fetchHistory();
    expect((events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes)).toHaveLength(1);
  });

  it('takes no command of a transaction that was rolled back', async () => {
    const cardId = newId();
    await expect(
      inOrganization(app, organizationId, async (trx) => {
        await appendCommand(trx, {
          organizationId,
          workflowType: 'cardIssuance',
          workflowId: `card-issuance:${cardId}`,
          payload: { organizationId, cardId },
        });
        throw new Error('the effect failed');
      }),
    ).rejects.toThrow('the effect failed');
    expect(await waiting()).toBe(0);
  });

  it('catches up once a Temporal that was away is there', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'escudo-relay-'));
    const port = await freePort();
    const away = createTemporalClient({
      address: `127.0.0.1:${port}`,
      namespace: 'default',
      taskQueue: 'catch-up',
      codecKey: TEST_CODEC_KEY,
    });
    const cardIds = Array.from({ length: 20 }, newId);
    await append(cardIds);
    const seen = observer();
    const relay = startRelay(
      { knex: worker, starter: createWorkflowStarter(away), observe: seen },
      { ...DEFAULT_RELAY_OPTIONS, retryMaxMs: 1_000 },
    );
    try {
      await eventually('Temporal was missed', () => seen.postponements.length > 0);
      expect(seen.outcomes).toEqual([]);
      expect(await waiting()).toBe(20);
      const late = await startTemporal({
        binary: await findTemporalBinary(readEmbeddedConfig(), () => undefined),
        port,
        logFile: path.join(folder, 'temporal.log'),
      });
      try {
        await drained();
        expect(seen.outcomes).toHaveLength(20);
        await eventually('Temporal lists all of them', async () => {
          const { count } = await away.client.workflow.count("WorkflowType = 'cardIssuance'");
          return count === 20;
        });
      } finally {
        await relay.stop();
        await late.stop();
      }
    } finally {
      await relay.stop();
      await away.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
