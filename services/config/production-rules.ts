import type { EnvironmentReader } from './environment-reader';
import type { PlatformConfig } from './load-config';

const LOCAL_HOST =
  /^(localhost|127\.|0\.0\.0\.0|\[?::1\]?|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)|\.(local|localhost|internal)$|^[^.]+$/;
const VENDOR_SANDBOX = /(^|\.)(sandbox|staging|test)\./;
/** Values that examples and the embedded stack use; nobody may run production on them. */
const DEVELOPMENT_VALUE = /^(dev|development|test|example|change-?me|secret|password)/i;

/**
 * Production starts on real vendors and real keys or not at all: simulators, vendor sandboxes, the development custody
 * and well-known secrets are problems. Elsewhere only the development custody must be there.
 */
export function refuseInProduction(
  read: EnvironmentReader,
  config: PlatformConfig,
  ownSecrets: Readonly<Record<string, string>>,
): void {
  if (config.environment !== 'production') {
    if (config.custodyMnemonic === null)
      read.problem('CUSTODY_MNEMONIC is not set: development keys are derived from it');
    return;
  }
  if (config.custodyMnemonic !== null) {
    read.problem('CUSTODY_MNEMONIC is a development key: remove it, production signs with a vault');
  }
  if (config.sandboxEnabled) read.problem('SANDBOX_ENABLED must be false in production');
  const urls: Readonly<Record<string, string>> = {
    LITHIC_BASE_URL: config.lithic.baseUrl,
    SUMSUB_BASE_URL: config.sumsub.baseUrl,
    BRIDGE_BASE_URL: config.bridge.baseUrl,
    BANK_BASE_URL: config.bank.baseUrl,
  };
  for (const [name, value] of Object.entries(urls)) {
    if (!URL.canParse(value)) continue;
    const url = new URL(value);
    if (url.protocol !== 'https:') read.problem(`${name} must be https in production`);
    if (LOCAL_HOST.test(url.hostname))
      read.problem(`${name} points to a simulator: production needs the vendor's own address`);
    else if (VENDOR_SANDBOX.test(url.hostname))
      read.problem(`${name} points to a sandbox: production needs the vendor's live address`);
  }
  const secrets: Readonly<Record<string, string>> = {
    LITHIC_API_KEY: config.lithic.apiKey,
    SUMSUB_APP_TOKEN: config.sumsub.appToken,
    SUMSUB_SECRET_KEY: config.sumsub.secretKey,
    SUMSUB_WEBHOOK_SECRET: config.sumsub.webhookSecret,
    BRIDGE_API_KEY: config.bridge.apiKey,
    BANK_API_KEY: config.bank.apiKey,
    ...ownSecrets,
  };
  for (const [name, value] of Object.entries(secrets)) {
    if (DEVELOPMENT_VALUE.test(value))
      read.problem(`${name} is a development value: production needs a secret of its own`);
  }
  for (const [name, value] of Object.entries(ownSecrets)) {
    if (value.length < 32) read.problem(`${name} must have at least 32 characters in production`);
  }
  for (const [name, key] of [
    ['TEMPORAL_CODEC_KEY', config.temporal.codecKey],
    ['DATA_ENCRYPTION_KEY', config.dataEncryptionKey],
    ['RECEIPT_SIGNING_KEY', Buffer.from(config.receiptSigningKey.export({ format: 'jwk' }).d ?? '', 'base64url')],
  ] as const) {
    if (key.length > 0 && new Set(key).size < 8)
      read.problem(`${name} is not random: make one with "openssl rand -base64 32"`);
  }
}
