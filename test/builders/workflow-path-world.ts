import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../services/authorizations/amend-authorization';
import { noteAmendmentsHeard } from '../../services/authorizations/amendment.repository';
import {
  type AnswerLimits,
  createAnswerDesk,
  DEFAULT_ANSWER_LIMITS,
  type FallbackCause,
} from '../../services/authorizations/answer-authorization';
import { noteAnswersGiven } from '../../services/authorizations/authorization-path.repository';
import { createAuthorizationPaths } from '../../services/authorizations/authorization-paths';
import type { AuthorizerDependencies } from '../../services/authorizations/authorize-spend';
import { createKnex } from '../../services/database/knex';
import { readBacklog } from '../../services/outbox/read-backlog';
import { DEFAULT_RELAY_OPTIONS, type RunningRelay, startRelay } from '../../services/outbox/relay';
import { systemClock } from '../../services/shared/clock';
import { createTemporalClient, type TemporalClient } from '../../services/temporal/client';
import { keepTemporalWorker } from '../../services/temporal/keep-temporal-worker';
import { createWorkflowAsker } from '../../services/temporal/workflow-asker';
import { createWorkflowStarter } from '../../services/temporal/workflow-starter';
import { createSpendAuthorizationActivities } from '../../workflows/spend-authorization/activities';
import { createTestDatabase, type TestDatabase } from '../setup/database';
import { createSpendingWorld, type SpendingWorld, type SpendingWorldOptions } from './spending-world';
import { TEST_CODEC_KEY, workflowBundle } from './temporal-world';
import { createTestAuthorizer, testSealer } from './test-authorizer';

interface TemporalServer {
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
}

/** What an api process has of the workflow path, and what it told its observer. */
export type Desk = ReturnType<WorkflowPathWorld['openDesk']>;

/** Database, cardholders on the workflow path, and the parts of api and worker that answer them. */
export class WorkflowPathWorld {
  private readonly closing: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly superuser: Client,
    readonly spending: SpendingWorld,
    readonly app: Knex,
    readonly workerKnex: Knex,
  ) {}

  static async create(options: SpendingWorldOptions): Promise<WorkflowPathWorld> {
    const database = await createTestDatabase();
    const superuser = new Client({ connectionString: database.superuserUrl });
    await superuser.connect();
    const spending = await createSpendingWorld(database.superuserUrl, options);
    await superuser.query("UPDATE programs SET authorization_path = 'workflow'");
    const app = createKnex(database.urls.escudo_app, 6, 'test-app');
    return new WorkflowPathWorld(
      database,
      superuser,
      spending,
      app,
      createKnex(database.urls.escudo_worker, 6, 'test-worker'),
    );
  }

  private readonly amend: AuthorizerDependencies['amend'] = (request, known) =>
    amendAuthorization({ knex: this.app, clock: systemClock, sealer: testSealer(), partner: null }, request, known);

  private pool(): Pool {
    const pool = new Pool({ connectionString: this.database.urls.escudo_authorizer, max: 4 });
    this.closing.push(() => pool.end());
    return pool;
  }

  /** The worker process's part; kept running, also over the absence of Temporal. */
  async startWorker(server: TemporalServer) {
    const authorizer = createTestAuthorizer(this.pool(), {
      limits: { inFlightMax: 4, besideFrom: 0, batchMax: 1, waitingMax: 1_000 },
      amend: this.amend,
    });
    const worker = keepTemporalWorker(
      {
        settings: { ...server, codecKey: TEST_CODEC_KEY },
        bundle: await workflowBundle(),
        activities: createSpendAuthorizationActivities({ authorizer, knex: this.app, clock: systemClock }),
      },
      () => undefined,
    );
    this.closing.unshift(() => worker.stop());
    return worker;
  }

  /** The api process's part. */
  openDesk(server: TemporalServer, limits: AnswerLimits = DEFAULT_ANSWER_LIMITS) {
    const pool = this.pool();
    const authorizer = createTestAuthorizer(pool, { amend: this.amend });
    const temporal = this.openClient(server);
    const answers: { readonly path: string; readonly fallback: FallbackCause | null }[] = [];
    const breaker: string[] = [];
    const failures: unknown[] = [];
    const desk = createAnswerDesk({
      authorizer,
      // Which path a purchase takes must not hang on how busy the machine is that connects to the database.
      paths: createAuthorizationPaths({ pool, failed: (error) => failures.push(error), waitMaxMs: 10_000 }),
      asker: createWorkflowAsker(temporal),
      noteAnswersGiven: (holds) => noteAnswersGiven(pool, holds),
      noteAmendmentsHeard: (amendments) => noteAmendmentsHeard(pool, amendments),
      clock: systemClock,
      limits,
      observer: {
        answered: (path, fallback) => void answers.push({ path, fallback }),
        fellBack: () => undefined,
        breakerChanged: (state) => void breaker.push(state),
        failed: (error) => void failures.push(error),
      },
    });
    return {
      ...desk,
      answers,
      breaker,
      failures,
      async close() {
        await desk.close();
        await authorizer.close();
      },
    };
  }

  openClient(server: TemporalServer): TemporalClient {
    const temporal = createTemporalClient({ ...server, codecKey: TEST_CODEC_KEY });
    this.closing.unshift(() => temporal.close());
    return temporal;
  }

  startRelay(server: TemporalServer): RunningRelay & { readonly outcomes: readonly string[] } {
    const outcomes: string[] = [];
    const relay = startRelay(
      {
        knex: this.workerKnex,
        starter: createWorkflowStarter(this.openClient(server)),
        observe: {
          relayed: (_workflow, outcome) => void outcomes.push(outcome),
          postponed: () => undefined,
          failed: () => undefined,
        },
      },
      { ...DEFAULT_RELAY_OPTIONS, retryMaxMs: 1_000 },
    );
    this.closing.unshift(() => relay.stop());
    return Object.assign(relay, { outcomes });
  }

  async nothingWaits(): Promise<boolean> {
    const { commands, batches } = await readBacklog(this.workerKnex);
    return commands.waiting + batches.waiting === 0;
  }

  /** Every authorization, by the message that asked for it. */
  async stored(): Promise<
    readonly {
      readonly id: string;
      readonly message_id: string;
      readonly approved: string;
      readonly decline_reason: string | null;
    }[]
  > {
    const { rows } = await this.superuser.query(
      'SELECT id, message_id, approved_amount::text AS approved, decline_reason FROM authorizations ORDER BY id',
    );
    return rows;
  }

  /** Legs that hold something, and what the ledger holds beyond what they say, base units. */
  async holds(): Promise<{ readonly count: number; readonly unaccounted: bigint }> {
    const { rows } = await this.superuser.query<{ count: number; unaccounted: string }>(
      `SELECT count(*)::int AS count,
         ((SELECT sum(pending_debits) FROM ledger_accounts WHERE type = 'cardholder.funds') - sum(held_amount))::text AS unaccounted
       FROM funding_legs`,
    );
    const row = rows[0];
    return { count: row?.count ?? 0, unaccounted: BigInt(row?.unaccounted ?? '0') };
  }

  async end(): Promise<void> {
    for (const close of this.closing) await close();
    await Promise.all([this.superuser.end(), this.app.destroy(), this.workerKnex.destroy()]);
    await this.database.drop();
  }
}

/** Runs of each workflow that follows a purchase, with their states. */
export async function purchaseRuns(
  temporal: TemporalClient,
  taskQueue: string,
): Promise<readonly { readonly id: string; readonly status: string }[]> {
  const runs: { id: string; status: string }[] = [];
  const query = `TaskQueue = '${taskQueue}' AND WorkflowType = 'spendAuthorization'`;
  for await (const { workflowId, status } of temporal.client.workflow.list({ query }))
    runs.push({ id: workflowId.replace('authorization:', ''), status: status.name });
  return runs.sort((a, b) => (a.id < b.id ? -1 : 1));
}
