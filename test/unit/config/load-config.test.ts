import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  ConfigurationError,
  loadApiConfig,
  loadMigrationConfig,
  loadWorkerConfig,
} from '../../../services/config/load-config';

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();

function development(): Record<string, string> {
  return {
    ESCUDO_ENV: 'development',
    DATABASE_URL_APP: 'postgres://escudo_app@127.0.0.1/escudo',
    DATABASE_URL_AUTHORIZER: 'postgres://escudo_authorizer@127.0.0.1/escudo',
    DATABASE_URL_WORKER: 'postgres://escudo_worker@127.0.0.1/escudo',
    DATABASE_URL_READONLY: 'postgresql://escudo_readonly@127.0.0.1/escudo',
    TEMPORAL_CODEC_KEY: randomBytes(32).toString('base64'),
    CHAIN_DEPLOYMENT_FILE: '/chain.json',
    CUSTODY_MNEMONIC: 'test test test test test test test test test test test junk',
    LITHIC_BASE_URL: 'http://127.0.0.1:4010/',
    LITHIC_API_KEY: 'lithic-key',
    LITHIC_ASA_SECRET: 'whsec_AAAA, whsec_BBBB',
    LITHIC_EVENTS_SECRET: 'whsec_CCCC',
    SUMSUB_BASE_URL: 'http://127.0.0.1:4020',
    SUMSUB_APP_TOKEN: 'sumsub-token',
    SUMSUB_SECRET_KEY: 'sumsub-secret',
    SUMSUB_WEBHOOK_SECRET: 'sumsub-webhook',
    BRIDGE_BASE_URL: 'http://127.0.0.1:4030',
    BRIDGE_API_KEY: 'bridge-key',
    BRIDGE_CUSTOMER_ID: 'customer',
    BRIDGE_EXTERNAL_ACCOUNT_ID: 'account',
    BRIDGE_WEBHOOK_PUBLIC_KEY: pem.replaceAll('\n', '\\n'),
    BANK_BASE_URL: 'http://127.0.0.1:4030/bank',
    BANK_API_KEY: 'bank-key-1',
    BANK_ACCOUNT_ID: 'account',
    OPERATOR_KEY: 'operator-key-1',
    API_KEY_PEPPER: 'pepper-pepper',
    DATA_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    RECEIPT_SIGNING_KEY: randomBytes(32).toString('base64'),
    SANDBOX_ENABLED: 'true',
  };
}

function production(): Record<string, string> {
  const { CUSTODY_MNEMONIC: _mnemonic, ...rest } = development();
  const random = () => randomBytes(24).toString('hex');
  return {
    ...rest,
    ESCUDO_ENV: 'production',
    SANDBOX_ENABLED: 'false',
    LITHIC_BASE_URL: 'https://api.lithic.com',
    SUMSUB_BASE_URL: 'https://api.sumsub.com',
    BRIDGE_BASE_URL: 'https://api.bridge.xyz',
    BANK_BASE_URL: 'https://api.bank.example.com',
    LITHIC_API_KEY: random(),
    SUMSUB_APP_TOKEN: random(),
    SUMSUB_SECRET_KEY: random(),
    SUMSUB_WEBHOOK_SECRET: random(),
    BRIDGE_API_KEY: random(),
    BANK_API_KEY: random(),
    OPERATOR_KEY: random(),
    API_KEY_PEPPER: random(),
  };
}

function problemsOf(load: () => unknown): readonly string[] {
  try {
    load();
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}

test('a development environment is read, with defaults', () => {
  const config = loadApiConfig(development());
  expect(config).toMatchObject({ host: '127.0.0.1', port: 3000, sandboxEnabled: true, environment: 'development' });
  expect(config.lithic.baseUrl).toBe('http://127.0.0.1:4010');
  expect(config.lithic.asaSecrets).toEqual(['whsec_AAAA', 'whsec_BBBB']);
  expect(config.bridge.webhookPublicKey).toBe(pem);
  expect(config.temporal).toMatchObject({ address: '127.0.0.1:7233', namespace: 'default', taskQueue: 'escudo' });
});

test('the public key may also come in base64', () => {
  const config = loadApiConfig({ ...development(), BRIDGE_WEBHOOK_PUBLIC_KEY: Buffer.from(pem).toString('base64') });
  expect(config.bridge.webhookPublicKey).toBe(pem);
});

test('each process asks only for what it needs', () => {
  const { OPERATOR_KEY: _operator, ...forWorker } = development();
  expect(problemsOf(() => loadWorkerConfig(forWorker))).toEqual([]);
  expect(problemsOf(() => loadApiConfig(forWorker))).toEqual(['OPERATOR_KEY is not set']);
  expect(loadMigrationConfig({ DATABASE_URL_MIGRATOR: 'postgres://m@h/d' })).toMatchObject({
    databaseUrl: 'postgres://m@h/d',
  });
});

test('the key of receipts is a seed, or PEM as it is, escaped or in base64', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d } = privateKey.export({ format: 'jwk' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const forms = [
    Buffer.from(d ?? '', 'base64url').toString('base64'),
    keyPem,
    keyPem.replaceAll('\n', '\\n'),
    Buffer.from(keyPem).toString('base64'),
  ];
  for (const RECEIPT_SIGNING_KEY of forms) {
    const { receiptSigningKey } = loadWorkerConfig({ ...development(), RECEIPT_SIGNING_KEY });
    expect(receiptSigningKey.equals(privateKey)).toBe(true);
  }
});

test('each process has its own limits on statements, and proofs and backtests longer ones', () => {
  const idleInTransactionMs = 30_000;
  expect(loadApiConfig(development()).database).toMatchObject({
    limits: { statementMs: 10_000, lockMs: null, idleInTransactionMs },
    longLimits: { statementMs: 300_000, lockMs: 10_000, idleInTransactionMs },
  });
  const environment = {
    ...development(),
    DATABASE_URL_MIGRATOR: 'postgres://escudo_migrator@127.0.0.1/escudo',
    WORKER_STATEMENT_TIMEOUT_MS: '5000',
    LONG_STATEMENT_TIMEOUT_MS: '6000',
    IDLE_IN_TRANSACTION_TIMEOUT_MS: '7000',
    MIGRATION_LOCK_TIMEOUT_MS: '8000',
  };
  expect(loadWorkerConfig(environment).database).toMatchObject({
    limits: { statementMs: 5_000, lockMs: null, idleInTransactionMs: 7_000 },
    longLimits: { statementMs: 6_000, lockMs: 5_000, idleInTransactionMs: 7_000 },
  });
  expect(loadMigrationConfig(environment).limits).toEqual({
    statementMs: null,
    lockMs: 8_000,
    idleInTransactionMs: null,
  });
  expect(problemsOf(() => loadApiConfig({ ...development(), API_STATEMENT_TIMEOUT_MS: '0' }))).toEqual([
    expect.stringContaining('API_STATEMENT_TIMEOUT_MS'),
  ]);
});

test('all problems are reported at once, by name and never by value', () => {
  const wrong = {
    ...development(),
    ESCUDO_ENV: 'staging',
    API_PORT: '70000',
    DATABASE_URL_APP: 'mysql://secret-password@h/d',
    TEMPORAL_CODEC_KEY: 'c2hvcnQ=',
    LITHIC_ASA_SECRET: 'not-a-webhook-secret',
    BRIDGE_WEBHOOK_PUBLIC_KEY: 'not a key',
    SUMSUB_BASE_URL: 'ftp://h',
    OPERATOR_KEY: 'tiny',
    BANK_API_KEY: '',
    SANDBOX_ENABLED: 'yes',
  };
  const problems = problemsOf(() => loadApiConfig(wrong));
  for (const name of Object.keys(wrong).filter((key) => wrong[key as keyof typeof wrong] !== development()[key])) {
    const randomEachTime = ['DATA_ENCRYPTION_KEY', 'RECEIPT_SIGNING_KEY'].includes(name);
    if (!randomEachTime) expect(problems).toEqual(expect.arrayContaining([expect.stringContaining(name)]));
  }
  expect(problems).toHaveLength(10);
  expect(problems.join()).not.toContain('secret-password');
  expect(problems.join()).not.toContain('not-a-webhook-secret');
});

test('an empty environment lacks many things, and says all of them', () => {
  expect(problemsOf(() => loadApiConfig({})).length).toBeGreaterThan(20);
});

describe('production', () => {
  test('starts on real vendors and keys', () => {
    expect(problemsOf(() => loadApiConfig(production()))).toEqual([]);
  });

  test.each([
    ['CUSTODY_MNEMONIC', 'test test test test test test test test test test test junk'],
    ['SANDBOX_ENABLED', 'true'],
    ['LITHIC_BASE_URL', 'https://sandbox.lithic.com'],
    ['LITHIC_BASE_URL', 'https://127.0.0.1:4010'],
    ['LITHIC_BASE_URL', 'http://api.lithic.com'],
    ['SUMSUB_BASE_URL', 'https://kyc-vendor:4020'],
    ['BRIDGE_BASE_URL', 'https://localhost:4030'],
    ['BANK_BASE_URL', 'https://10.0.0.7/bank'],
    ['SUMSUB_SECRET_KEY', 'development-secret-of-the-stack'],
    ['OPERATOR_KEY', 'change-me-please-change-me-please-1'],
    ['API_KEY_PEPPER', 'short-pepper'],
    ['DATA_ENCRYPTION_KEY', Buffer.alloc(32, 7).toString('base64')],
    ['RECEIPT_SIGNING_KEY', Buffer.alloc(32, 7).toString('base64')],
    ['RECEIPT_SIGNING_KEY', 'not a key'],
    [
      'RECEIPT_SIGNING_KEY',
      generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
  ])('refuses %s=%s', (name, value) => {
    const problems = problemsOf(() => loadApiConfig({ ...production(), [name]: value }));
    expect(problems).toEqual([expect.stringContaining(name)]);
  });

  test('development needs its mnemonic', () => {
    const { CUSTODY_MNEMONIC: _mnemonic, ...rest } = development();
    expect(problemsOf(() => loadApiConfig(rest))).toEqual([expect.stringContaining('CUSTODY_MNEMONIC')]);
  });
});
