import type { Knex } from 'knex';
import { Client } from 'pg';
import { findWaitingWork } from '../../../services/background/waiting-work.repository';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import { appendCommand } from '../../../services/outbox/append-command';
import { forgetFinished } from '../../../services/outbox/forget-finished';
import { readBacklog } from '../../../services/outbox/read-backlog';
import {
  DEFAULT_RELAY_OPTIONS,
  type RelayObserver,
  type RelayOptions,
  startRelay,
} from '../../../services/outbox/relay';
import type { StartOutcome, WorkflowStarter } from '../../../services/temporal/port';
import { createSpendingWorld } from '../../builders/spending-world';
import { eventually } from '../../builders/temporal-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const FAST: RelayOptions = { ...DEFAULT_RELAY_OPTIONS, retryMinMs: 10, retryMaxMs: 50, probeMaxMs: 40, pollMs: 5 };
const quiet: RelayObserver = {
  relayed: () => undefined,
  postponed: () => undefined,
  failed: (error) => {
    throw error;
  },
};

let database: TestDatabase;
let superuser: Client;
let worker: Knex;
let app: Knex;
let organizationId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  worker = createKnex(database.urls.escudo_worker, 8, 'test-worker');
  app = createKnex(database.urls.escudo_app, 2, 'test-app');
  ({ organizationId } = await createSpendingWorld(database.superuserUrl, { accounts: 1 }));
});

afterAll(async () => {
  await Promise.all([superuser.end(), worker.destroy(), app.destroy()]);
  await database.drop();
});

afterEach(async () => {
  await superuser.query('TRUNCATE outbox_batches, outbox_commands');
});

/** `count` holds in batches of `perBatch`, as the authorizer commits them. */
async function placeHolds(count: number, perBatch: number): Promise<void> {
  await superuser.query(
    `INSERT INTO outbox_batches (id, holds, respond_by)
     SELECT gen_random_uuid(), jsonb_agg(jsonb_build_array($1::text, gen_random_uuid())), now()
     FROM generate_series(0, $2::int - 1) n GROUP BY n / $3::int`,
    [organizationId, count, perBatch],
  );
}

async function holdIds(): Promise<string[]> {
  const { rows } = await superuser.query<{ id: string }>(
    `SELECT 'authorization:' || (hold ->> 1) AS id FROM outbox_batches, jsonb_array_elements(holds) hold ORDER BY 1`,
  );
  return rows.map(({ id }) => id);
}

/** Temporal as far as the relay sees it: knows which workflows were started, and how many calls were on their way at once. */
function countingStarter(answer: (workflowId: string, call: number) => Promise<StartOutcome | null>) {
  const calls = new Map<string, number>();
  const workflows = new Set<string>();
  const signalled: string[] = [];
  let busy = 0;
  const seen = { most: 0 };
  const starter: WorkflowStarter = {
    async start({ workflowId }) {
      const call = (calls.get(workflowId) ?? 0) + 1;
      calls.set(workflowId, call);
      busy += 1;
      seen.most = Math.max(seen.most, busy);
      try {
        const other = await answer(workflowId, call);
        if (other !== null) return other;
        if (workflows.has(workflowId)) return { kind: 'already_started' };
        workflows.add(workflowId);
        return { kind: 'started' };
      } finally {
        busy -= 1;
      }
    },
    async signalWithStart({ workflowId }) {
      signalled.push(workflowId);
      return { kind: 'signalled' };
    },
    check: async () => true,
  };
  return { starter, calls, workflows, signalled, seen };
}

const turn = () => new Promise<null>((resolve) => setImmediate(() => resolve(null)));
const drained = () =>
  eventually('nothing waits', async () => {
    const { commands, batches } = await readBacklog(worker);
    return commands.waiting + batches.waiting === 0;
  });

it('three relays start the workflow of each of 20,000 holds once after Temporal was away, and hold few of them in memory', async () => {
  await placeHolds(20_000, 16);
  let away = true;
  const temporal = countingStarter(async () => (away ? { kind: 'unavailable', detail: 'away' } : turn()));
  const relays = [1, 2, 3].map(() => startRelay({ knex: worker, starter: temporal.starter, observe: quiet }, FAST));
  await eventually('Temporal was missed', () => temporal.calls.size >= 3 * 16);
  const before = await readBacklog(worker);
  expect(before.batches.waiting).toBe(20_000);
  expect(before.batches.oldestAgeMs).toBeGreaterThan(0);
  // What waits is left alone meanwhile: only single rows were tried.
  const { rows } = await superuser.query<{ tried: number }>(
    'SELECT count(*)::int AS tried FROM outbox_batches WHERE attempts > 0',
  );
  expect(rows[0]?.tried).toBeLessThan(1_250 / 2);
  const missed = [...temporal.calls.values()].reduce((sum, calls) => sum + calls, 0);
  away = false;
  await drained();
  await Promise.all(relays.map((relay) => relay.stop()));
  expect([...temporal.workflows].sort()).toEqual(await holdIds());
  // No row was carried out by two relays: beyond the calls that Temporal missed, there is one for each workflow.
  const all = [...temporal.calls.values()].reduce((sum, calls) => sum + calls, 0);
  expect(all).toBeGreaterThanOrEqual(20_000 + missed);
  expect(all).toBeLessThan(20_000 + missed + 3 * FAST.concurrency);
  expect(temporal.seen.most).toBeLessThanOrEqual(3 * FAST.share);
});

it('keeps what was started of a batch, and tries the rest again', async () => {
  await placeHolds(40, 40);
  const ids = await holdIds();
  const failing = new Set([ids[0], ids[7], ids[39]]);
  const temporal = countingStarter(async (workflowId, call) =>
    failing.has(workflowId) && call <= 2 ? { kind: 'unavailable', detail: 'busy' } : null,
  );
  const relay = startRelay({ knex: worker, starter: temporal.starter, observe: quiet }, FAST);
  await eventually('most are started', () => temporal.workflows.size === 37);
  expect((await readBacklog(worker)).batches.waiting).toBe(40);
  await drained();
  await relay.stop();
  expect([...temporal.workflows].sort()).toEqual(ids);
  const { rows } = await superuser.query('SELECT attempts, failure, done_at IS NOT NULL AS done FROM outbox_batches');
  expect(rows).toEqual([{ attempts: 3, failure: null, done: true }]);
});

it('a relay that dies in the middle of a batch leaves it to another, which finds the started ones started', async () => {
  await placeHolds(30, 30);
  let started = 0;
  const temporal = countingStarter(async () => null);
  const dying: WorkflowStarter = {
    ...temporal.starter,
    async start(workflow) {
      const outcome = await temporal.starter.start(workflow);
      started += 1;
      if (started === 10) throw new Error('killed here');
      return outcome;
    },
  };
  const failures: unknown[] = [];
  const outcomes: string[] = [];
  const relay = startRelay(
    {
      knex: worker,
      starter: dying,
      observe: {
        ...quiet,
        relayed: (_workflow, outcome) => void outcomes.push(outcome),
        failed: (error) => void failures.push(error),
      },
    },
    { ...FAST, leaseMs: 200 },
  );
  await drained();
  await relay.stop();
  expect(failures).toHaveLength(1);
  expect([...temporal.workflows].sort()).toEqual(await holdIds());
  expect(outcomes.filter((outcome) => outcome === 'started')).toHaveLength(29);
  expect(outcomes.filter((outcome) => outcome === 'already_started')).toHaveLength(30);
});

it('lets a signal pass while thousands of starts wait', async () => {
  await placeHolds(5_000, 50);
  const open: (() => void)[] = [];
  // Starts that take for ever: all slots that starts may have are taken.
  const temporal = countingStarter(() => new Promise((resolve) => open.push(() => resolve(null))));
  const relay = startRelay({ knex: worker, starter: temporal.starter, observe: quiet }, FAST);
  await eventually('starts take all they may have', () => temporal.calls.size === FAST.share);
  const workflowIds = Array.from({ length: 20 }, () => `authorization:${newId()}`);
  await inOrganization(app, organizationId, async (trx) => {
    for (const workflowId of workflowIds) {
      await appendCommand(trx, {
        organizationId,
        workflowType: 'spendAuthorization',
        workflowId,
        signal: 'cardEvent',
        payload: { organizationId },
      });
    }
  });
  await eventually('every signal passed', () => temporal.signalled.length === workflowIds.length);
  expect(temporal.calls.size).toBe(FAST.share);
  const stopped = relay.stop();
  // Ends what is on its way, one after the other.
  const ending = setInterval(() => open.splice(0).forEach((end) => void end()), 1);
  await stopped;
  clearInterval(ending);
});

it('removes finished batches later, but keeps those whose answers nobody reported as given', async () => {
  await superuser.query(
    `INSERT INTO outbox_batches (id, holds, respond_by, answered_at, resolved_at, done_at) VALUES
       (gen_random_uuid(), '[]', now(), now(), NULL, '2020-01-01'),
       (gen_random_uuid(), '[["a", "asked after"]]', now(), NULL, now(), '2020-01-01'),
       (gen_random_uuid(), '[["a", "unheard"]]', now(), NULL, NULL, '2020-01-01'),
       (gen_random_uuid(), '[["a", "waiting"]]', now(), now(), NULL, NULL),
       (gen_random_uuid(), '[["a", "recent"]]', now(), now(), NULL, now())`,
  );
  expect(await forgetFinished(worker, new Date('2021-01-01'))).toBe(2);
  const { rows } = await superuser.query<{ which: string }>(
    'SELECT holds -> 0 ->> 1 AS which FROM outbox_batches ORDER BY 1',
  );
  expect(rows.map(({ which }) => which)).toEqual(['recent', 'unheard', 'waiting']);
});

it('work whose workflow is about to be started is not taken up besides', async () => {
  await placeHolds(2, 2);
  const [starting, other] = [(await holdIds())[0]?.replace('authorization:', ''), newId()];
  for (const authorizationId of [starting, other]) {
    const transactionId = newId();
    // Rows of a clearing that waits to be funded, without the rest of a purchase, which nobody looks at here.
    await superuser.query('BEGIN');
    await superuser.query('SET LOCAL session_replication_role = replica');
    await superuser.query(
      `INSERT INTO card_transactions (organization_id, id, kind, state, account_id, card_id, program_id, authorization_id, vendor,
         message_id, processor_authorization_id, amount, currency, merchant_amount, merchant_currency, merchant, effective_at)
       VALUES ($1, $2::uuid, 'clearing', 'posted', $2::uuid, $2::uuid, $2::uuid, $3, 'lithic', $2::text, '', 1, 'USD', 1, 'USD', '{}', now())`,
      [organizationId, transactionId, authorizationId],
    );
    await superuser.query(
      `INSERT INTO leg_postings (organization_id, id, leg_id, account_id, card_transaction_id, kind, asset, amount, amount_usd, state, created_at)
       VALUES ($1, $2, $2, $2, $2, 'stablecoin_sale', 'USDC', 1, 1, 'posted', '2020-01-01')`,
      [organizationId, transactionId],
    );
    await superuser.query('COMMIT');
  }
  const waiting = () => findWaitingWork(worker, 'authorization_funding', 'authorization:', new Date(), 10);
  expect((await waiting()).map(({ id }) => id)).toEqual([other]);
  await superuser.query('UPDATE outbox_batches SET done_at = now()');
  expect((await waiting()).map(({ id }) => id).sort()).toEqual([starting, other].sort());
});
