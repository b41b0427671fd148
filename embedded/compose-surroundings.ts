import { type DatabaseRole, perRole } from './database-roles';
import { defaultPorts, type Endpoint, type Surroundings } from './process-table';
import type { Secrets } from './secrets';

/** Where docker-compose takes each secret from. `npm run sandbox:env` writes them into `.env`. */
export const composeVariables: Readonly<Record<keyof Surroundings['secrets'], string>> & {
  readonly postgresSuperuserPassword: string;
} = {
  postgresSuperuserPassword: 'POSTGRES_PASSWORD',
  temporalCodecKey: 'TEMPORAL_CODEC_KEY',
  dataEncryptionKey: 'DATA_ENCRYPTION_KEY',
  receiptSigningKey: 'RECEIPT_SIGNING_KEY',
  operatorKey: 'OPERATOR_KEY',
  apiKeyPepper: 'API_KEY_PEPPER',
  custodyMnemonic: 'CUSTODY_MNEMONIC',
  lithicApiKey: 'LITHIC_API_KEY',
  lithicAsaSecret: 'LITHIC_ASA_SECRET',
  lithicEventsSecret: 'LITHIC_EVENTS_SECRET',
  sumsubAppToken: 'SUMSUB_APP_TOKEN',
  sumsubSecretKey: 'SUMSUB_SECRET_KEY',
  sumsubWebhookSecret: 'SUMSUB_WEBHOOK_SECRET',
  bridgeApiKey: 'BRIDGE_API_KEY',
  bridgeWebhookPrivateKey: 'BRIDGE_WEBHOOK_PRIVATE_KEY',
  bridgeWebhookPublicKey: 'BRIDGE_WEBHOOK_PUBLIC_KEY',
  bankApiKey: 'BANK_API_KEY',
};

/** The variable of a database role's password, also as `prepare-database` reads it. */
export function passwordVariable(role: DatabaseRole): string {
  return `${role.toUpperCase()}_PASSWORD`;
}

/** How docker-compose writes a required variable. */
export function composeReference(variable: string): string {
  return `\${${variable}:?run npm run sandbox:env first}`;
}

function secret(name: keyof Surroundings['secrets']): string {
  return composeReference(composeVariables[name]);
}

function inNetwork(host: string, port: number): Endpoint {
  return { port, url: `http://${host}:${port}` };
}

/** The surroundings of our processes in docker-compose: service names for hosts, references for secrets. */
export const composeSurroundings: Surroundings = {
  environment: 'development',
  logLevel: 'info',
  bindHost: '0.0.0.0',
  databaseUrls: perRole(
    (role) => `postgres://${role}:${composeReference(passwordVariable(role))}@postgres:5432/escudo`,
  ),
  temporalAddress: 'temporal:7233',
  rpcUrl: 'http://anvil:8545',
  chainDeploymentFile: '/data/chain/deployment.json',
  api: inNetwork('api', defaultPorts.api),
  publicUrl: `http://localhost:${defaultPorts.api}`,
  workerMetrics: inNetwork('worker', defaultPorts['worker-metrics']),
  simulators: {
    'card-network': inNetwork('card-network', defaultPorts['card-network']),
    'kyc-vendor': inNetwork('kyc-vendor', defaultPorts['kyc-vendor']),
    'off-ramp-vendor': inNetwork('off-ramp-vendor', defaultPorts['off-ramp-vendor']),
    partner: inNetwork('partner', defaultPorts.partner),
  },
  simulatorData: '/data/simulators',
  secrets: {
    temporalCodecKey: secret('temporalCodecKey'),
    dataEncryptionKey: secret('dataEncryptionKey'),
    receiptSigningKey: secret('receiptSigningKey'),
    operatorKey: secret('operatorKey'),
    apiKeyPepper: secret('apiKeyPepper'),
    custodyMnemonic: secret('custodyMnemonic'),
    lithicApiKey: secret('lithicApiKey'),
    lithicAsaSecret: secret('lithicAsaSecret'),
    lithicEventsSecret: secret('lithicEventsSecret'),
    sumsubAppToken: secret('sumsubAppToken'),
    sumsubSecretKey: secret('sumsubSecretKey'),
    sumsubWebhookSecret: secret('sumsubWebhookSecret'),
    bridgeApiKey: secret('bridgeApiKey'),
    bridgeWebhookPrivateKey: secret('bridgeWebhookPrivateKey'),
    bridgeWebhookPublicKey: secret('bridgeWebhookPublicKey'),
    bankApiKey: secret('bankApiKey'),
  },
};

/** Content of a `.env` file with these secrets, for docker-compose. */
export function composeEnvironmentFile(secrets: Secrets): string {
  const lines = [
    `${composeVariables.postgresSuperuserPassword}=${secrets.postgresSuperuserPassword}`,
    ...Object.entries(secrets.databasePasswords).map(
      ([role, password]) => `${passwordVariable(role as DatabaseRole)}=${password}`,
    ),
  ];
  for (const name of Object.keys(composeSurroundings.secrets) as (keyof Surroundings['secrets'])[]) {
    // Quoted, because the mnemonic has blanks.
    lines.push(`${composeVariables[name]}='${secrets[name]}'`);
  }
  return `${lines.join('\n')}\n`;
}
