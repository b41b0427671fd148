import type { DatabaseRole, PerRole } from './database-roles';
import type { Secrets } from './secrets';

/** `checkout`: TypeScript by tsx, for development and tests. `image`: compiled JavaScript. */
export type Flavour = 'checkout' | 'image';

export const simulatorNames = ['card-network', 'kyc-vendor', 'off-ramp-vendor', 'partner'] as const;
export type SimulatorName = (typeof simulatorNames)[number];

export const serviceNames = [...simulatorNames, 'api', 'worker'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Everything that the environment of a process is made of. */
export interface Surroundings {
  readonly environment: 'development' | 'test';
  readonly logLevel: string;
  /** Address that the servers bind to. */
  readonly bindHost: string;
  readonly databaseUrls: PerRole;
  readonly temporalAddress: string;
  readonly rpcUrl: string;
  readonly chainDeploymentFile: string;
  readonly api: Endpoint;
  /** The api's address as its callers outside know it. */
  readonly publicUrl: string;
  readonly workerMetrics: Endpoint;
  readonly simulators: Readonly<Record<SimulatorName, Endpoint>>;
  /** Folder in which the simulators keep their state. */
  readonly simulatorData: string;
  readonly secrets: Omit<Secrets, 'databasePasswords' | 'postgresSuperuserPassword'>;
}

/** The port a server listens on, and the URL under which the others reach it. */
export interface Endpoint {
  readonly port: number;
  readonly url: string;
}

export interface ProcessDefinition {
  /** From the project's root, without extension. */
  readonly entry: string;
  readonly env: (surroundings: Surroundings) => Readonly<Record<string, string>>;
  /** Answers 200 once the process can do its work. */
  readonly health: { readonly endpoint: (surroundings: Surroundings) => Endpoint; readonly path: string };
}

/** The ports that are tried first. */
export const defaultPorts = {
  api: 3000,
  'worker-metrics': 3001,
  postgres: 25_432,
  temporal: 7233,
  'temporal-ui': 8233,
  anvil: 8545,
  'card-network': 4010,
  'kyc-vendor': 4020,
  'off-ramp-vendor': 4030,
  partner: 4040,
} as const;

/** Where the vendors post their messages, under the api's URL. */
const ingress = {
  authorizations: '/processors/lithic/authorizations',
  cardEvents: '/processors/lithic/events',
  kyc: '/webhooks/sumsub',
  offRamp: '/webhooks/bridge',
} as const;

/** Names under which the sandbox knows itself at its vendors. */
const sandboxIds = {
  SUMSUB_LEVEL_NAME: 'basic-kyc-level',
  BRIDGE_CUSTOMER_ID: 'cust_escudo_sandbox',
  BRIDGE_EXTERNAL_ACCOUNT_ID: 'ea_escudo_settlement',
  BANK_ACCOUNT_ID: 'acct_escudo_settlement',
} as const;

/**
 * Room for the short-lived garbage of a busy authorizer, megabytes: with Node's default of 16 it is collected so often that
 * throughput fell by a third (docs/performance.md).
 */
const authorizerNodeOptions = { NODE_OPTIONS: '--max-semi-space-size=64' };

/** Every process of ours, for the embedded stack and for the container images alike. */
export const processTable: Readonly<Record<ServiceName, ProcessDefinition>> = {
  'card-network': {
    entry: 'simulators/card-network/main',
    env: (at) => ({
      ...simulatorEnv(at, 'card-network'),
      LITHIC_API_KEY: at.secrets.lithicApiKey,
      LITHIC_ASA_SECRET: at.secrets.lithicAsaSecret,
      LITHIC_EVENTS_SECRET: at.secrets.lithicEventsSecret,
      ASA_URL: `${at.api.url}${ingress.authorizations}`,
      EVENTS_URL: `${at.api.url}${ingress.cardEvents}`,
      // The network settles over the bank account that the off-ramp pays into.
      BANK_BASE_URL: bankUrl(at),
      BANK_API_KEY: at.secrets.bankApiKey,
      BANK_ACCOUNT_ID: sandboxIds.BANK_ACCOUNT_ID,
    }),
    health: { endpoint: (at) => at.simulators['card-network'], path: '/livez' },
  },
  'kyc-vendor': {
    entry: 'simulators/kyc-vendor/main',
    env: (at) => ({
      ...simulatorEnv(at, 'kyc-vendor'),
      SUMSUB_APP_TOKEN: at.secrets.sumsubAppToken,
      SUMSUB_SECRET_KEY: at.secrets.sumsubSecretKey,
      SUMSUB_WEBHOOK_SECRET: at.secrets.sumsubWebhookSecret,
      SUMSUB_LEVEL_NAME: sandboxIds.SUMSUB_LEVEL_NAME,
      WEBHOOK_URL: `${at.api.url}${ingress.kyc}`,
    }),
    health: { endpoint: (at) => at.simulators['kyc-vendor'], path: '/livez' },
  },
  'off-ramp-vendor': {
    entry: 'simulators/off-ramp-vendor/main',
    env: (at) => ({
      ...simulatorEnv(at, 'off-ramp-vendor'),
      BRIDGE_API_KEY: at.secrets.bridgeApiKey,
      BRIDGE_CUSTOMER_ID: sandboxIds.BRIDGE_CUSTOMER_ID,
      BRIDGE_EXTERNAL_ACCOUNT_ID: sandboxIds.BRIDGE_EXTERNAL_ACCOUNT_ID,
      BANK_API_KEY: at.secrets.bankApiKey,
      BANK_ACCOUNT_ID: sandboxIds.BANK_ACCOUNT_ID,
      WEBHOOK_URL: `${at.api.url}${ingress.offRamp}`,
      WEBHOOK_PRIVATE_KEY: at.secrets.bridgeWebhookPrivateKey,
      RPC_URL: at.rpcUrl,
      CHAIN_DEPLOYMENT_FILE: at.chainDeploymentFile,
    }),
    health: { endpoint: (at) => at.simulators['off-ramp-vendor'], path: '/livez' },
  },
  partner: {
    entry: 'simulators/partner/main',
    env: (at) => simulatorEnv(at, 'partner'),
    health: { endpoint: (at) => at.simulators.partner, path: '/livez' },
  },
  api: {
    entry: 'services/api',
    env: (at) => ({
      ...platformEnv(at),
      ...databaseEnv(at, ['escudo_app', 'escudo_authorizer', 'escudo_readonly']),
      API_HOST: at.bindHost,
      API_PORT: String(at.api.port),
      PUBLIC_URL: at.publicUrl,
      OPERATOR_KEY: at.secrets.operatorKey,
      API_KEY_PEPPER: at.secrets.apiKeyPepper,
      ...authorizerNodeOptions,
    }),
    health: { endpoint: (at) => at.api, path: '/readyz' },
  },
  worker: {
    entry: 'services/worker',
    env: (at) => ({
      ...platformEnv(at),
      ...databaseEnv(at, ['escudo_app', 'escudo_authorizer', 'escudo_worker', 'escudo_readonly']),
      API_HOST: at.bindHost,
      WORKER_METRICS_PORT: String(at.workerMetrics.port),
      ...authorizerNodeOptions,
    }),
    health: { endpoint: (at) => at.workerMetrics, path: '/readyz' },
  },
};

/** Entry and environment of the one-shot process that brings the schema up to date. */
export const migration = {
  entry: 'services/migrate',
  env: (databaseUrls: PerRole): Readonly<Record<string, string>> => ({
    DATABASE_URL_MIGRATOR: databaseUrls.escudo_migrator,
  }),
} as const;

/** The command that runs a process entry. */
export function entryCommand(entry: string, flavour: Flavour): [string, ...string[]] {
  return flavour === 'checkout' ? ['node', '--import', 'tsx', `${entry}.ts`] : ['node', `dist/${entry}.js`];
}

/** The settlement bank's statement API is served beside the off-ramp. */
function bankUrl(at: Surroundings): string {
  return `${at.simulators['off-ramp-vendor'].url}/bank`;
}

function simulatorEnv(at: Surroundings, name: SimulatorName): Record<string, string> {
  return {
    HOST: at.bindHost,
    PORT: String(at.simulators[name].port),
    DATA_FILE: `${at.simulatorData}/${name}.json`,
  };
}

function platformEnv(at: Surroundings): Record<string, string> {
  return {
    ESCUDO_ENV: at.environment,
    LOG_LEVEL: at.logLevel,
    TEMPORAL_ADDRESS: at.temporalAddress,
    TEMPORAL_NAMESPACE: 'default',
    TEMPORAL_TASK_QUEUE: 'escudo',
    TEMPORAL_CODEC_KEY: at.secrets.temporalCodecKey,
    CHAIN_DEPLOYMENT_FILE: at.chainDeploymentFile,
    CUSTODY_MNEMONIC: at.secrets.custodyMnemonic,
    LITHIC_BASE_URL: at.simulators['card-network'].url,
    LITHIC_API_KEY: at.secrets.lithicApiKey,
    LITHIC_ASA_SECRET: at.secrets.lithicAsaSecret,
    LITHIC_EVENTS_SECRET: at.secrets.lithicEventsSecret,
    SUMSUB_BASE_URL: at.simulators['kyc-vendor'].url,
    SUMSUB_APP_TOKEN: at.secrets.sumsubAppToken,
    SUMSUB_SECRET_KEY: at.secrets.sumsubSecretKey,
    SUMSUB_WEBHOOK_SECRET: at.secrets.sumsubWebhookSecret,
    BRIDGE_BASE_URL: at.simulators['off-ramp-vendor'].url,
    BRIDGE_API_KEY: at.secrets.bridgeApiKey,
    BRIDGE_WEBHOOK_PUBLIC_KEY: at.secrets.bridgeWebhookPublicKey,
    BANK_BASE_URL: bankUrl(at),
    BANK_API_KEY: at.secrets.bankApiKey,
    ...sandboxIds,
    DATA_ENCRYPTION_KEY: at.secrets.dataEncryptionKey,
    RECEIPT_SIGNING_KEY: at.secrets.receiptSigningKey,
    SANDBOX_ENABLED: 'true',
  };
}

const databaseVariables: Readonly<Record<Exclude<DatabaseRole, 'escudo_migrator'>, string>> = {
  escudo_app: 'DATABASE_URL_APP',
  escudo_authorizer: 'DATABASE_URL_AUTHORIZER',
  escudo_worker: 'DATABASE_URL_WORKER',
  escudo_readonly: 'DATABASE_URL_READONLY',
};

function databaseEnv(
  at: Surroundings,
  roles: readonly (keyof typeof databaseVariables)[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(roles.map((role) => [databaseVariables[role], at.databaseUrls[role]]));
}
