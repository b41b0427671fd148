import { registerActivities, type WorkflowDependencies } from '../workflows/register-activities';
import type { Authorizer } from './authorizations/authorize-spend';
import { recordCardEvent } from './authorizations/record-card-event';
import { sweepExpiredHolds } from './authorizations/sweep-expired-holds';
import { sweepUnheardAnswers } from './authorizations/sweep-unheard-answers';
import { sweepUnheardIncrements } from './authorizations/sweep-unheard-increments';
import { readUnheardAnswers } from './authorizations/unheard-answers.repository';
import type { PeriodicJob } from './background/periodic-job';
import { prepareTreasuries } from './background/prepare-treasuries';
import { resumeWaitingWork } from './background/resume-waiting-work';
import { createWorkerMetrics, type WorkerMetrics } from './background/worker-metrics';
import { handleKycHint } from './cardholders/handle-kyc-hint';
import { createAaveV3Venue } from './chain/aave-v3/lending-venue';
import { advancePendingIntents } from './chain/advance-pending-intents';
import { createChainSandbox } from './chain/chain-sandbox';
import { erc20Calls } from './chain/erc20';
import { createTransactionSender, DEFAULT_SENDER_POLICY } from './chain/transaction-sender';
import { composeAuthorizer, composePlatform, type Platform, platformDependencies } from './composition';
import type { WorkerConfig } from './config/load-config';
import { takeEffectOfControls } from './control-versions/take-effect-of-controls';
import { createKnex } from './database/knex';
import { scanDeposits } from './deposits/scan-deposits';
import { handleOffRampHint } from './funding/handle-off-ramp-hint';
import { sweepOverdue } from './funding/sweep-overdue';
import { deleteStoredAnswers } from './http/idempotency.repository';
import type { Logger } from './http/logging';
import type { Dependency } from './http/routes/health';
import { createCardEventSource, createKycHintSource, createOffRampHintSource } from './inbox/sources';
import { sweepInbox } from './inbox/sweep-inbox';
import { forgetFinished } from './outbox/forget-finished';
import { type Backlog, readBacklog } from './outbox/read-backlog';
import { type RunningRelay, startRelay } from './outbox/relay';
import { registerTokens, watchPrices } from './pricing/watch-prices';
import { watchReserves } from './pricing/watch-reserves';
import { createProgramUsageSummer } from './programs/sum-program-usage';
import { createDeniedAddressList } from './providers/screening/denied-address-list';
import type { ReceiptSealer } from './receipts/seal-receipts';
import { sweepEndedSettlements } from './settlement/sweep-ended-settlements';
import { createTemporalClient, type TemporalSettings } from './temporal/client';
import { createWorkflowStarter } from './temporal/workflow-starter';
import { sweepUnbookedGas } from './treasury/book-gas';
import { DEFAULT_SANDBOX_CAPITAL, prepareTreasury } from './treasury/prepare-treasury';
import { DEFAULT_GAS_POLICY } from './treasury/wallets';

const APP_POOL_MAX = 16;
const WORKER_POOL_MAX = 8;
const AUTHORIZER_POOL_MAX = 4;
const BACKTESTS_POOL_MAX = 2;
/**
 * One decision a commit: workflows bring fewer than a batch is worth waiting for, and the api can say of a hold that has
 * its batch for itself that its answer was given.
 */
const SINGLE_DECISIONS = { inFlightMax: AUTHORIZER_POOL_MAX, besideFrom: 0, batchMax: 1, waitingMax: 1_024 } as const;
/** Longer than this, and whoever runs the worker should look at Temporal. */
const RELAY_LAG_MAX_MS = 60_000;
const DAY_MS = 86_400_000;
/** What Temporal was told is kept this long, for people who look for what happened. */
const COMMANDS_KEPT_MS = 7 * DAY_MS;
/** A request may be repeated under its idempotency key for this long. */
const ANSWERS_KEPT_MS = 7 * DAY_MS;

/** Heartbeats of Chainlink's USD feeds on Ethereum as published; of other assets a day. Seconds. */
const HEARTBEATS: Readonly<Record<string, number>> = { ETH: 3_600, WETH: 3_600, WBTC: 3_600 };
const DEFAULT_HEARTBEAT_SECONDS = 86_400;
/** Nobody updates the feeds of a sandbox unless asked to: they would all be stale after a day. */
const SANDBOX_HEARTBEAT_SECONDS = 7 * 86_400;
/** Deposits are looked for from here before the head when a live chain is read for the first time. */
const FIRST_LOOK_BACK_BLOCKS = 1_000n;

export interface WorkerParts {
  readonly logger: Logger;
  readonly metrics: WorkerMetrics;
  readonly temporal: TemporalSettings;
  readonly activities: object;
  readonly jobs: readonly PeriodicJob[];
  readonly dependencies: readonly Dependency[];
  startRelay(): RunningRelay;
  close(): Promise<void>;
}

/** Builds the worker process. Nothing runs yet, but the schema must be there. */
export async function composeWorker(config: WorkerConfig): Promise<WorkerParts> {
  const platform = composePlatform(config, 'escudo-worker', APP_POOL_MAX);
  const { appUrl, workerUrl, limits, longLimits } = config.database;
  const workerKnex = createKnex(workerUrl, WORKER_POOL_MAX, 'escudo-worker-scan', limits);
  const backtestsKnex = createKnex(appUrl, BACKTESTS_POOL_MAX, 'escudo-worker-backtests', longLimits);
  const { logger } = platform;
  const temporal = createTemporalClient(config.temporal);
  const starter = createWorkflowStarter(temporal);
  const metrics = createWorkerMetrics(
    () => readBacklog(workerKnex),
    () => readUnheardAnswers(workerKnex),
  );
  const authorization = await composeAuthorizer(platform, config, {
    poolMax: AUTHORIZER_POOL_MAX,
    limits: SINGLE_DECISIONS,
    registry: metrics.registry,
    batchRan: () => undefined,
  });
  const workflowDependencies = {
    ...composeWorkflowDependencies(config, platform, workerKnex, authorization.authorizer),
    backtestsKnex,
  } satisfies WorkflowDependencies;

  return {
    logger,
    metrics,
    temporal: config.temporal,
    activities: registerActivities(workflowDependencies),
    jobs: composeJobs(config, platform, workerKnex, { ...workflowDependencies, sealer: authorization.sealer }),
    dependencies: [
      ...platformDependencies(platform, config.temporal.address),
      outboxDependency(() => readBacklog(workerKnex)),
    ],
    startRelay: () =>
      startRelay({
        knex: workerKnex,
        starter,
        observe: {
          relayed({ source, workflowType }, outcome, waitedMs) {
            metrics.relayed.inc({ source, workflow_type: workflowType, outcome });
            metrics.relaySeconds.observe({ source }, waitedMs / 1_000);
          },
          postponed({ source, workflowType, workflowId, attempts }, detail) {
            metrics.relayPostponed.inc({ source, workflow_type: workflowType });
            logger.warn({ workflow_id: workflowId, attempts, detail }, 'Temporal could not be told; trying again');
          },
          failed: (error) => logger.error({ err: error }, 'the relay could not reach the database'),
        },
      }),
    async close() {
      await authorization.close();
      await Promise.allSettled([temporal.close(), workerKnex.destroy(), backtestsKnex.destroy(), platform.close()]);
    },
  };
}

type WorkerKnex = Platform['knex'];

/** What Temporal has not been told yet: a worker with a lag is degraded, and says which source has it. */
function outboxDependency(read: () => Promise<Backlog>): Dependency {
  return {
    name: 'outbox',
    required: false,
    async check() {
      for (const [source, { oldestAgeMs }] of Object.entries(await read()))
        if (oldestAgeMs > RELAY_LAG_MAX_MS) throw new Error(`${source} wait for ${oldestAgeMs} ms`);
    },
    async detail() {
      const { commands, batches } = await read();
      const told = ({ waiting, oldestAgeMs }: typeof commands) => ({ waiting, lag_seconds: oldestAgeMs / 1_000 });
      return { commands: told(commands), batches: told(batches) };
    },
  };
}

/** Everything that activities hand to use cases. */
function composeWorkflowDependencies(
  config: WorkerConfig,
  platform: Platform,
  workerKnex: WorkerKnex,
  authorizer: Authorizer,
) {
  const { chainClient, clock, custody, deployment, keys, knex, reader } = platform;
  return {
    clock,
    knex,
    workerKnex,
    keys,
    authorizer,
    custody,
    deployment,
    reader,
    sender: createTransactionSender({
      database: knex,
      scanDatabase: workerKnex,
      client: chainClient,
      custody,
      clock,
      policy: { ...DEFAULT_SENDER_POLICY, confirmations: deployment.confirmations },
    }),
    calls: erc20Calls,
    venue: createAaveV3Venue(chainClient, deployment),
    gas: DEFAULT_GAS_POLICY,
    processor: platform.lithic.processor,
    kyc: platform.sumsub.vendor,
    kycLevelName: config.sumsub.levelName,
    offRamp: platform.bridge.offRamp,
    offRampVendor: platform.bridge.offRamp.vendor,
    bank: platform.bank.statements,
    screening: createDeniedAddressList([]),
    sandbox: config.sandboxEnabled
      ? {
          chain: createChainSandbox(chainClient, deployment),
          bank: platform.bank.sandbox,
          capital: DEFAULT_SANDBOX_CAPITAL,
        }
      : null,
  };
}

/** Watchers of the outside and sweepers of the inside. Each run is short and may be repeated; any may die at any time. */
function composeJobs(
  config: WorkerConfig,
  platform: Platform,
  workerKnex: WorkerKnex,
  deps: ReturnType<typeof composeWorkflowDependencies> & { readonly sealer: ReceiptSealer },
): readonly PeriodicJob[] {
  const { sealer } = deps;
  const { bridge, clock, deployment, knex, lithic, logger, reader, sumsub } = platform;
  const inboxSources = [
    createCardEventSource(lithic.ingress, (event) => recordCardEvent({ knex, clock, sealer }, event)),
    createKycHintSource(sumsub.ingress, (hint) => handleKycHint({ knex, kyc: sumsub.vendor }, hint)),
    createOffRampHintSource(bridge.ingress, (hint) => handleOffRampHint({ knex, offRamp: bridge.offRamp }, hint)),
  ];
  const usage = createProgramUsageSummer({ workerKnex, clock });
  const preparedTreasuries = new Set<string>();
  const resumed = new Map<string, Date>();
  let tokensRegistered = false;
  let startBlock: bigint | null = config.sandboxEnabled ? 0n : null;

  return [
    {
      name: 'watch-prices',
      everyMs: 1_000,
      async run() {
        if (!tokensRegistered) await registerTokens({ workerKnex, deployment });
        tokensRegistered = true;
        const { failed } = await watchPrices({
          workerKnex,
          reader,
          deployment,
          heartbeats: config.sandboxEnabled ? {} : HEARTBEATS,
          defaultHeartbeatSeconds: config.sandboxEnabled ? SANDBOX_HEARTBEAT_SECONDS : DEFAULT_HEARTBEAT_SECONDS,
        });
        for (const { asset, detail } of failed) logger.warn({ asset, detail }, 'a price feed gave no usable answer');
      },
    },
    {
      name: 'watch-reserves',
      everyMs: 2_000,
      run: async () => void (await watchReserves({ workerKnex, reader, venue: deps.venue })),
    },
    {
      name: 'scan-deposits',
      everyMs: 500,
      async run() {
        startBlock ??= await firstBlock(reader);
        let more = true;
        while (more) ({ more } = await scanDeposits({ workerKnex, knex, reader, deployment, startBlock }));
      },
    },
    {
      name: 'prepare-treasuries',
      everyMs: 1_000,
      run: () =>
        prepareTreasuries({ workerKnex, prepare: (input) => prepareTreasury(deps, input) }, preparedTreasuries),
    },
    {
      name: 'advance-chain-intents',
      everyMs: 5_000,
      run: async () =>
        void (await advancePendingIntents(deps.sender, (intent, error) =>
          logger.error({ err: error, intent_key: intent.intentKey }, 'a chain transaction could not be advanced'),
        )),
    },
    { name: 'book-gas', everyMs: 5_000, run: async () => void (await sweepUnbookedGas(deps)) },
    {
      name: 'expire-holds',
      everyMs: 5_000,
      run: async () => void (await sweepExpiredHolds({ knex, workerKnex, clock })),
    },
    {
      name: 'settle-unheard-answers',
      everyMs: 1_000,
      async run() {
        const { processor } = lithic;
        const settled = await sweepUnheardAnswers({ knex, workerKnex, clock, processor });
        if (settled > 0)
          logger.warn({ settled }, 'answers that may not have been heard were settled with the processor');
      },
    },
    {
      name: 'settle-unheard-increments',
      everyMs: 1_000,
      async run() {
        const { processor } = lithic;
        const settled = await sweepUnheardIncrements({ knex, workerKnex, clock, processor });
        if (settled > 0)
          logger.warn({ settled }, 'increments that may not have been heard were settled with the processor');
      },
    },
    {
      name: 'take-effect-of-controls',
      everyMs: 5_000,
      run: async () => void (await takeEffectOfControls({ knex, workerKnex, clock })),
    },
    {
      name: 'sum-program-usage',
      everyMs: 500,
      run: async () => void (await usage.run()),
    },
    {
      name: 'collect-overdue',
      everyMs: 5_000,
      run: async () =>
        void (await sweepOverdue({
          knex,
          workerKnex,
          clock,
          offRampVendor: deps.offRampVendor,
          failed: (account, error) =>
            logger.error({ err: error, account_id: account.id }, 'what is overdue could not be collected'),
        })),
    },
    { name: 'process-inbox', everyMs: 1_000, run: async () => void (await sweepInbox({ knex, clock }, inboxSources)) },
    {
      name: 'resume-waiting-work',
      everyMs: 60_000,
      async run() {
        const signalled = await resumeWaitingWork({ knex, workerKnex, clock, resumed });
        if (signalled > 0) logger.warn({ signalled }, 'work that waited too long was taken up again');
      },
    },
    {
      name: 'compare-ended-settlements',
      everyMs: 3_600_000,
      async run() {
        const shown = await sweepEndedSettlements({ knex, workerKnex, clock });
        if (shown > 0) logger.warn({ shown }, 'settlements are over whose books have another amount than they say');
      },
    },
    {
      name: 'forget-told-workflows',
      everyMs: 3_600_000,
      run: async () => void (await forgetFinished(workerKnex, new Date(clock.now().getTime() - COMMANDS_KEPT_MS))),
    },
    {
      name: 'forget-stored-answers',
      everyMs: 3_600_000,
      run: async () => void (await deleteStoredAnswers(workerKnex, new Date(clock.now().getTime() - ANSWERS_KEPT_MS))),
    },
  ];
}

/** Nobody can have been given a deposit address before we first read the chain. */
async function firstBlock(reader: Platform['reader']): Promise<bigint> {
  const { number } = await reader.head();
  return number > FIRST_LOOK_BACK_BLOCKS ? number - FIRST_LOOK_BACK_BLOCKS : 0n;
}
