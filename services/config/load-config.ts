import type { KeyObject } from 'node:crypto';
import type { SessionLimits } from '../database/knex';
import { type Environment, EnvironmentReader } from './environment-reader';
import { refuseInProduction } from './production-rules';

export type EscudoEnvironment = 'development' | 'test' | 'production';

export interface CommonConfig {
  readonly environment: EscudoEnvironment;
  readonly logLevel: string;
}

export interface MigrationConfig {
  readonly databaseUrl: string;
  readonly limits: SessionLimits;
}

/** What both long-running processes need. Secrets are plain strings or bytes; none is ever logged. */
export interface PlatformConfig extends CommonConfig {
  /** Both decide: the api at its door, the worker for programs whose requests go by workflow. */
  readonly database: {
    readonly appUrl: string;
    readonly authorizerUrl: string;
    /** What the process does all the time. */
    readonly limits: SessionLimits;
    /** What goes through all of an organization's rows: proofs, backtests. */
    readonly longLimits: SessionLimits;
  };
  readonly temporal: {
    readonly address: string;
    readonly namespace: string;
    readonly taskQueue: string;
    readonly codecKey: Buffer;
  };
  readonly chainDeploymentFile: string;
  /** Present in development and test only. */
  readonly custodyMnemonic: string | null;
  readonly lithic: {
    readonly baseUrl: string;
    readonly apiKey: string;
    readonly asaSecrets: readonly string[];
    readonly eventSecrets: readonly string[];
  };
  readonly sumsub: {
    readonly baseUrl: string;
    readonly appToken: string;
    readonly secretKey: string;
    readonly webhookSecret: string;
    readonly levelName: string;
  };
  readonly bridge: {
    readonly baseUrl: string;
    readonly apiKey: string;
    readonly customerId: string;
    readonly externalAccountId: string;
    /** PEM. */
    readonly webhookPublicKey: string;
  };
  readonly bank: {
    readonly baseUrl: string;
    readonly apiKey: string;
    readonly accountId: string;
  };
  readonly dataEncryptionKey: Buffer;
  /** Ed25519: signs the receipts of decisions. Its public half is published; older ones stay so. */
  readonly receiptSigningKey: KeyObject;
  readonly sandboxEnabled: boolean;
}

export interface ApiConfig extends PlatformConfig {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string;
  readonly operatorKey: string;
  readonly apiKeyPepper: string;
  /** Requests each API key may make in a minute. */
  readonly requestsPerMinute: number;
}

export interface WorkerConfig extends PlatformConfig {
  readonly database: PlatformConfig['database'] & { readonly workerUrl: string };
  readonly metricsHost: string;
  readonly metricsPort: number;
}

/** What reads everything and changes nothing. */
export interface ReaderConfig {
  readonly databaseUrl: string;
}

/** Every problem of the environment at once: fixing them one restart at a time would be cruel. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  constructor(readonly problems: readonly string[]) {
    super(
      `the configuration has ${problems.length} problem(s):\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  }
}

/** Throws {@link ConfigurationError} with all problems. */
export function loadMigrationConfig(environment: Environment = process.env): MigrationConfig {
  return load(environment, (read) => ({
    databaseUrl: read.postgresUrl('DATABASE_URL_MIGRATOR'),
    // It takes what it takes; but while it waits for a table's lock, everybody else waits behind it.
    limits: {
      statementMs: null,
      lockMs: read.positiveInteger('MIGRATION_LOCK_TIMEOUT_MS', 10_000),
      idleInTransactionMs: null,
    },
  }));
}

/** The read-only role's database, or the worker's. Throws {@link ConfigurationError} with all problems. */
export function loadReaderConfig(environment: Environment = process.env): ReaderConfig {
  return load(environment, (read) => ({
    databaseUrl: read.postgresUrl(
      read.optionalText('DATABASE_URL_READONLY') === null && read.optionalText('DATABASE_URL_WORKER') !== null
        ? 'DATABASE_URL_WORKER'
        : 'DATABASE_URL_READONLY',
    ),
  }));
}

/** Throws {@link ConfigurationError} with all problems. */
export function loadApiConfig(environment: Environment = process.env): ApiConfig {
  return load(environment, (read) => {
    const platform = platformConfig(read, read.positiveInteger('API_STATEMENT_TIMEOUT_MS', 10_000));
    const config: ApiConfig = {
      ...platform,
      host: read.text('API_HOST', '127.0.0.1'),
      port: read.port('API_PORT', 3000),
      publicUrl: read.url('PUBLIC_URL', 'http://127.0.0.1:3000'),
      operatorKey: read.secret('OPERATOR_KEY'),
      apiKeyPepper: read.secret('API_KEY_PEPPER'),
      requestsPerMinute: read.positiveInteger('API_REQUESTS_PER_MINUTE', 6_000),
    };
    refuseInProduction(read, config, {
      OPERATOR_KEY: config.operatorKey,
      API_KEY_PEPPER: config.apiKeyPepper,
    });
    return config;
  });
}

/** Throws {@link ConfigurationError} with all problems. */
export function loadWorkerConfig(environment: Environment = process.env): WorkerConfig {
  return load(environment, (read) => {
    const platform = platformConfig(read, read.positiveInteger('WORKER_STATEMENT_TIMEOUT_MS', 60_000));
    const config: WorkerConfig = {
      ...platform,
      database: {
        ...platform.database,
        workerUrl: read.postgresUrl('DATABASE_URL_WORKER'),
      },
      metricsHost: read.text('API_HOST', '127.0.0.1'),
      metricsPort: read.port('WORKER_METRICS_PORT', 0),
    };
    refuseInProduction(read, config, {});
    return config;
  });
}

function platformConfig(read: EnvironmentReader, statementMs: number): PlatformConfig {
  const idleInTransactionMs = read.positiveInteger('IDLE_IN_TRANSACTION_TIMEOUT_MS', 30_000);
  return {
    environment: read.oneOf('ESCUDO_ENV', ['development', 'test', 'production'], 'development'),
    logLevel: read.oneOf('LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
    database: {
      appUrl: read.postgresUrl('DATABASE_URL_APP'),
      authorizerUrl: read.postgresUrl('DATABASE_URL_AUTHORIZER'),
      limits: { statementMs, lockMs: null, idleInTransactionMs },
      longLimits: {
        statementMs: read.positiveInteger('LONG_STATEMENT_TIMEOUT_MS', 300_000),
        lockMs: statementMs,
        idleInTransactionMs,
      },
    },
    temporal: {
      address: read.text('TEMPORAL_ADDRESS', '127.0.0.1:7233'),
      namespace: read.text('TEMPORAL_NAMESPACE', 'default'),
      taskQueue: read.text('TEMPORAL_TASK_QUEUE', 'escudo'),
      codecKey: read.key32('TEMPORAL_CODEC_KEY'),
    },
    chainDeploymentFile: read.text('CHAIN_DEPLOYMENT_FILE'),
    custodyMnemonic: read.optionalText('CUSTODY_MNEMONIC'),
    lithic: {
      baseUrl: read.url('LITHIC_BASE_URL'),
      apiKey: read.secret('LITHIC_API_KEY'),
      asaSecrets: read.webhookSecrets('LITHIC_ASA_SECRET'),
      eventSecrets: read.webhookSecrets('LITHIC_EVENTS_SECRET'),
    },
    sumsub: {
      baseUrl: read.url('SUMSUB_BASE_URL'),
      appToken: read.secret('SUMSUB_APP_TOKEN'),
      secretKey: read.secret('SUMSUB_SECRET_KEY'),
      webhookSecret: read.secret('SUMSUB_WEBHOOK_SECRET'),
      levelName: read.text('SUMSUB_LEVEL_NAME', 'basic-kyc-level'),
    },
    bridge: {
      baseUrl: read.url('BRIDGE_BASE_URL'),
      apiKey: read.secret('BRIDGE_API_KEY'),
      customerId: read.text('BRIDGE_CUSTOMER_ID'),
      externalAccountId: read.text('BRIDGE_EXTERNAL_ACCOUNT_ID'),
      webhookPublicKey: read.publicKeyPem('BRIDGE_WEBHOOK_PUBLIC_KEY'),
    },
    bank: {
      baseUrl: read.url('BANK_BASE_URL'),
      apiKey: read.secret('BANK_API_KEY'),
      accountId: read.text('BANK_ACCOUNT_ID'),
    },
    dataEncryptionKey: read.key32('DATA_ENCRYPTION_KEY'),
    receiptSigningKey: read.signingKey('RECEIPT_SIGNING_KEY'),
    sandboxEnabled: read.flag('SANDBOX_ENABLED', false),
  };
}

function load<T>(environment: Environment, build: (read: EnvironmentReader) => T): T {
  const read = new EnvironmentReader(environment);
  const config = build(read);
  if (read.problems.length > 0) throw new ConfigurationError(read.problems);
  return config;
}
