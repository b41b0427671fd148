import { hkdfSync } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { Knex } from 'knex';
import type { Pool } from 'pg';
import type { Registry } from 'prom-client';
import { loadAssetCatalog } from './assets/load-asset-catalog';
import { amendAuthorization } from './authorizations/amend-authorization';
import { noteAmendmentsHeard } from './authorizations/amendment.repository';
import { createAnswerDesk } from './authorizations/answer-authorization';
import { noteAnswersGiven } from './authorizations/authorization-path.repository';
import { createAuthorizationPaths } from './authorizations/authorization-paths';
import { type Authorizer, type AuthorizerObserver, createAuthorizer } from './authorizations/authorize-spend';
import { createAuthorizerPool } from './authorizations/authorizer-pool';
import type { BatchQueueLimits } from './authorizations/batch-queue';
import { recordCardEvent } from './authorizations/record-card-event';
import { handleKycHint } from './cardholders/handle-kyc-hint';
import { createAaveV3Venue } from './chain/aave-v3/lending-venue';
import { createChainReader } from './chain/chain-reader';
import { createChainSandbox } from './chain/chain-sandbox';
import { type ChainClient, createChainClient } from './chain/clients';
import { loadDeployment } from './chain/load-deployment';
import type { ChainDeployment, ChainReader } from './chain/port';
import type { ApiConfig, PlatformConfig } from './config/load-config';
import { createKnex } from './database/knex';
import { handleOffRampHint } from './funding/handle-off-ramp-hint';
import { createAnswerObserver } from './http/answer-observer';
import { createApp } from './http/app';
import { createLogger, type DestinationStream, type Logger } from './http/logging';
import { createMetrics } from './http/metrics';
import { createPartnerObserver } from './http/partner-metrics';
import { createRoutes } from './http/routes';
import { acceptsConnections, type Dependency } from './http/routes/health';
import { createIngress } from './http/routes/processor-ingress';
import { createCardEventSource, createKycHintSource, createOffRampHintSource } from './inbox/sources';
import { createPartnerDesk } from './partner-decisions/ask-partner';
import { createDevelopmentCustody } from './providers/custody/development';
import type { Custody } from './providers/custody/port';
import { createLocalKeyProvider } from './providers/keys/local-key-provider';
import type { KeyProvider } from './providers/keys/port';
import { createSumsub } from './providers/kyc/sumsub';
import { createBank } from './providers/off-ramp/bank';
import { createBridge } from './providers/off-ramp/bridge';
import { createLithic } from './providers/processor/lithic';
import { publishSigningKey } from './receipts/publish-signing-key';
import { createReceiptSealer, type ReceiptSealer } from './receipts/seal-receipts';
import { signingKeyOf } from './receipts/signing-key';
import { required } from './shared/assert';
import { type Clock, systemClock } from './shared/clock';
import { createTemporalClient } from './temporal/client';
import { createWorkflowAsker } from './temporal/workflow-asker';

/** Connections of an api process to PostgreSQL, apart from the hot path's. */
const APP_POOL_MAX = 12;
const AUTHORIZER_POOL_MAX = 4;
/** Proofs have connections of their own, which may take long: however many run, requests keep theirs. */
const PROOFS_POOL_MAX = 4;
/** Measured in decision 0001. */
const BATCH_LIMITS = { inFlightMax: 2, besideFrom: 32, batchMax: 64, waitingMax: 4_096 } as const;

/** A few kilobytes each. */
const ACCOUNTS_KEPT_MAX = 20_000;
/** What a processor's own margin leaves for an answer that is under way when its time is over. */
const ANSWER_GRACE_MS = 250;

/** What the api and the worker both stand on: pools, clients and adapters, made once for each process. */
export interface Platform {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly knex: Knex;
  readonly deployment: ChainDeployment;
  readonly chainClient: ChainClient;
  readonly reader: ChainReader;
  readonly custody: Custody;
  readonly keys: KeyProvider;
  readonly lithic: ReturnType<typeof createLithic>;
  readonly sumsub: ReturnType<typeof createSumsub>;
  readonly bridge: ReturnType<typeof createBridge>;
  readonly bank: ReturnType<typeof createBank>;
  close(): Promise<void>;
}

/** Builds the shared parts. Nothing is connected yet, except that the chain's deployment file is read. */
export function composePlatform(
  config: PlatformConfig,
  processName: string,
  appPoolMax: number,
  logTo?: DestinationStream,
): Platform {
  const logger = createLogger(config.logLevel, processName, logTo);
  const knex = createKnex(config.database.appUrl, appPoolMax, processName, config.database.limits);
  const deployment = loadDeployment(config.chainDeploymentFile);
  const chainClient = createChainClient(deployment);
  const lithic = createLithic(config.lithic);
  return {
    clock: systemClock,
    logger,
    knex,
    deployment,
    chainClient,
    reader: createChainReader(chainClient),
    custody: createDevelopmentCustody(
      required(config.custodyMnemonic, 'a vault for keys: production has no adapter for one yet, and CUSTODY_MNEMONIC'),
    ),
    keys: createLocalKeyProvider(config.dataEncryptionKey),
    lithic,
    sumsub: createSumsub(config.sumsub),
    bridge: createBridge(config.bridge),
    bank: createBank(config.bank),
    async close() {
      await Promise.allSettled([knex.destroy(), lithic.close()]);
    },
  };
}

/** What a process needs of PostgreSQL, Temporal and the chain, each named. Only PostgreSQL is worth being unready for. */
export function platformDependencies(platform: Platform, temporalAddress: string): readonly Dependency[] {
  return [
    { name: 'postgresql', required: true, check: async () => void (await platform.knex.raw('SELECT 1')) },
    { name: 'temporal', required: false, check: () => acceptsConnections(temporalAddress) },
    { name: 'chain', required: false, check: async () => void (await platform.reader.head()) },
  ];
}

/** What decides and commits, the same in every process that does. */
export interface AuthorizerParts {
  readonly authorizer: Authorizer;
  /** Of the role `escudo_authorizer`. */
  readonly pool: Pool;
  readonly sealer: ReceiptSealer;
  close(): Promise<void>;
}

interface AuthorizerWiring {
  readonly poolMax: number;
  readonly limits: BatchQueueLimits;
  readonly registry: Registry;
  readonly batchRan: AuthorizerObserver['batchRan'];
}

/** Builds the authorizer. Makes the public half of its receipt key known, so the schema must be there. */
export async function composeAuthorizer(
  platform: Platform,
  config: PlatformConfig,
  wiring: AuthorizerWiring,
): Promise<AuthorizerParts> {
  const { clock, keys, knex, logger } = platform;
  const pool = createAuthorizerPool(config.database.authorizerUrl, wiring.poolMax);
  pool.on('error', (error) => logger.error({ err: error }, 'a connection of the authorizer was lost'));
  const signingKey = signingKeyOf(config.receiptSigningKey);
  await publishSigningKey(knex, signingKey);
  const sealer = createReceiptSealer(signingKey);
  const partner = createPartnerDesk({
    pool,
    knex,
    keys,
    clock,
    privateAllowed: config.environment !== 'production',
    observer: createPartnerObserver(wiring.registry, logger),
  });
  const authorizer = createAuthorizer({
    pool,
    clock,
    limits: wiring.limits,
    accountsKeptMax: ACCOUNTS_KEPT_MAX,
    graceMs: ANSWER_GRACE_MS,
    sealer,
    amend: (request, known) => amendAuthorization({ knex, clock, sealer, partner }, request, known),
    partner,
    observer: {
      decided: () => undefined,
      batchRan: wiring.batchRan,
      conflicting: (request) =>
        logger.error({ vendor: request.vendor, message_id: request.messageId }, 'message id reused with other content'),
      failed: (error) => logger.error({ err: error }, 'a batch of authorizations failed'),
    },
  });
  return {
    authorizer,
    pool,
    sealer,
    async close() {
      await authorizer.close();
      await Promise.allSettled([partner.close(), pool.end()]);
    },
  };
}

export interface Api {
  readonly listener: RequestListener;
  readonly logger: Logger;
  /** From now on the process reports itself unready; what runs is finished. */
  beginStopping(): void;
  close(): Promise<void>;
}

/** Builds the api process. Reads the assets, so the schema must be there. The log goes to standard output unless told. */
export async function composeApi(config: ApiConfig, logTo?: DestinationStream): Promise<Api> {
  const platform = composePlatform(config, 'escudo-api', APP_POOL_MAX, logTo);
  const { clock, logger, knex, keys, lithic, sumsub, bridge, deployment } = platform;
  const metrics = createMetrics();
  const { appUrl, longLimits } = config.database;
  const proofsKnex = createKnex(appUrl, PROOFS_POOL_MAX, 'escudo-api-proofs', longLimits);
  const authorization = await composeAuthorizer(platform, config, {
    poolMax: AUTHORIZER_POOL_MAX,
    limits: BATCH_LIMITS,
    registry: metrics.registry,
    batchRan: (size, milliseconds, conflicts) => {
      metrics.batchSize.observe(size);
      metrics.batchSeconds.observe(milliseconds / 1_000);
      if (conflicts > 0) metrics.batchConflicts.inc(conflicts);
    },
  });
  const temporal = createTemporalClient(config.temporal);
  const answers = createAnswerDesk({
    authorizer: authorization.authorizer,
    paths: createAuthorizationPaths({
      pool: authorization.pool,
      failed: (error) => logger.error({ err: error }, 'the path of a request could not be read'),
    }),
    asker: createWorkflowAsker(temporal),
    noteAnswersGiven: (holds) => noteAnswersGiven(authorization.pool, holds),
    noteAmendmentsHeard: (amendments) => noteAmendmentsHeard(authorization.pool, amendments),
    clock,
    observer: createAnswerObserver(metrics.registry, logger),
  });
  let stopping = false;
  const assets = await loadAssetCatalog(knex);
  const sandbox = config.sandboxEnabled
    ? {
        processor: lithic.sandbox,
        kyc: sumsub.sandbox,
        offRamp: bridge.sandbox,
        chain: createChainSandbox(platform.chainClient, deployment),
      }
    : null;
  const listener = createApp({
    knex,
    clock,
    logger,
    metrics,
    routes: createRoutes({
      clock,
      assets,
      apiKeyPepper: config.apiKeyPepper,
      custody: platform.custody,
      keys,
      kyc: sumsub.vendor,
      deployment,
      reader: platform.reader,
      venue: createAaveV3Venue(platform.chainClient, deployment),
      bank: platform.bank.statements,
      offRamp: bridge.offRamp,
      processor: lithic.processor,
      knex,
      proofsKnex,
      sandbox,
      privateEndpointsAllowed: config.environment !== 'production',
    }),
    ingress: createIngress({
      clock,
      logger,
      metrics,
      processor: lithic.ingress,
      authorize: answers.authorize,
      answered: answers.answered,
      inbox: { knex, clock },
      webhooks: {
        '/processors/lithic/events': createCardEventSource(lithic.ingress, (event) =>
          recordCardEvent({ knex, clock, sealer: authorization.sealer }, event),
        ),
        '/webhooks/sumsub': createKycHintSource(sumsub.ingress, (hint) =>
          handleKycHint({ knex, kyc: sumsub.vendor }, hint),
        ),
        '/webhooks/bridge': createOffRampHintSource(bridge.ingress, (hint) =>
          handleOffRampHint({ knex, offRamp: bridge.offRamp }, hint),
        ),
      },
    }),
    dependencies: platformDependencies(platform, config.temporal.address),
    isStopping: () => stopping,
    config: {
      publicUrl: config.publicUrl,
      operatorKey: config.operatorKey,
      apiKeyPepper: config.apiKeyPepper,
      requestsPerMinute: config.requestsPerMinute,
      answerKey: Buffer.from(
        hkdfSync('sha256', config.dataEncryptionKey, Buffer.alloc(0), 'escudo stored answers', 32),
      ),
      checkAnswers: config.environment === 'test',
    },
  });
  return {
    listener,
    logger,
    beginStopping: () => {
      stopping = true;
    },
    async close() {
      await answers.close();
      await authorization.close();
      await Promise.allSettled([temporal.close(), proofsKnex.destroy(), platform.close()]);
    },
  };
}
