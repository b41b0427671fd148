import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { english, generateMnemonic } from 'viem/accounts';
import { z } from 'zod';
import { EmbeddedFailure } from './failure';

const text = z.string().min(1);

const secretsSchema = z.object({
  /** Of PostgreSQL's superuser, which only sets the stack up. */
  postgresSuperuserPassword: text,
  databasePasswords: z.object({
    escudo_migrator: text,
    escudo_app: text,
    escudo_authorizer: text,
    escudo_worker: text,
    escudo_readonly: text,
  }),
  temporalCodecKey: text,
  dataEncryptionKey: text,
  /** Seed of an Ed25519 key. */
  receiptSigningKey: text,
  operatorKey: text,
  apiKeyPepper: text,
  custodyMnemonic: text,
  lithicApiKey: text,
  lithicAsaSecret: text,
  lithicEventsSecret: text,
  sumsubAppToken: text,
  sumsubSecretKey: text,
  sumsubWebhookSecret: text,
  bridgeApiKey: text,
  /** PEM in base64. */
  bridgeWebhookPrivateKey: text,
  /** PEM in base64. */
  bridgeWebhookPublicKey: text,
  bankApiKey: text,
});

/** Every secret of one sandbox. Strings as the processes read them. */
export type Secrets = z.infer<typeof secretsSchema>;

/** A full set of new secrets. */
export function newSecrets(): Secrets {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return {
    postgresSuperuserPassword: token(),
    databasePasswords: {
      escudo_migrator: token(),
      escudo_app: token(),
      escudo_authorizer: token(),
      escudo_worker: token(),
      escudo_readonly: token(),
    },
    temporalCodecKey: key32(),
    dataEncryptionKey: key32(),
    receiptSigningKey: key32(),
    operatorKey: `op_${token()}`,
    apiKeyPepper: token(),
    custodyMnemonic: generateMnemonic(english),
    lithicApiKey: token(),
    lithicAsaSecret: `whsec_${key32()}`,
    lithicEventsSecret: `whsec_${key32()}`,
    sumsubAppToken: token(),
    sumsubSecretKey: token(),
    sumsubWebhookSecret: token(),
    bridgeApiKey: token(),
    bridgeWebhookPrivateKey: Buffer.from(privateKey).toString('base64'),
    bridgeWebhookPublicKey: Buffer.from(publicKey).toString('base64'),
    bankApiKey: token(),
  };
}

/** The secrets kept in this file; new ones the first time. Readable by the owner only. */
export function keptSecrets(file: string): Secrets {
  if (existsSync(file)) {
    const written = JSON.parse(readFileSync(file, 'utf8'));
    // Folders from before receipts were signed get the key for it; nothing that they kept depends on it.
    const kept = secretsSchema.safeParse({ receiptSigningKey: key32(), ...written });
    if (kept.success) {
      if (kept.data.receiptSigningKey !== written.receiptSigningKey) writeSecrets(file, kept.data);
      return kept.data;
    }
    throw new EmbeddedFailure(
      `${file} does not hold the secrets of this version:\n${z.prettifyError(kept.error)}`,
      '`npm run reset` clears the data folder and makes new ones',
    );
  }
  const secrets = newSecrets();
  mkdirSync(path.dirname(file), { recursive: true });
  writeSecrets(file, secrets);
  return secrets;
}

function writeSecrets(file: string, secrets: Secrets): void {
  writeFileSync(`${file}.partial`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.partial`, file);
}

function token(): string {
  return randomBytes(24).toString('hex');
}

function key32(): string {
  return randomBytes(32).toString('base64');
}
