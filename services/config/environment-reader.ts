import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads variables one by one and collects what is wrong with them instead of stopping at the first. A wrong variable
 * yields a placeholder that never leaves the loader, because it throws when there is a problem. Problems name the
 * variable and the mend, never its value: it may be a secret.
 */
export class EnvironmentReader {
  readonly problems: string[] = [];

  constructor(private readonly environment: Environment) {}

  problem(text: string): void {
    this.problems.push(text);
  }

  optionalText(name: string): string | null {
    const value = this.environment[name]?.trim();
    return value === undefined || value === '' ? null : value;
  }

  text(name: string, fallback?: string): string {
    const value = this.optionalText(name) ?? fallback;
    if (value === undefined) this.problem(`${name} is not set`);
    return value ?? '';
  }

  secret(name: string): string {
    const value = this.text(name);
    if (value !== '' && value.length < 8) this.problem(`${name} is too short for a secret: use at least 8 characters`);
    return value;
  }

  oneOf<const T extends string>(name: string, values: readonly [T, ...T[]], fallback: T): T {
    const value = this.optionalText(name) ?? fallback;
    const known = values.find((candidate) => candidate === value);
    if (known === undefined) this.problem(`${name} must be one of ${values.join(', ')}`);
    return known ?? fallback;
  }

  flag(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ['true', 'false'], fallback ? 'true' : 'false') === 'true';
  }

  port(name: string, fallback: number): number {
    const value = this.optionalText(name) ?? String(fallback);
    const port = /^\d{1,5}$/.test(value) ? Number(value) : -1;
    if (port < 0 || port > 65_535) this.problem(`${name} must be a port from 0 (any free one) to 65535`);
    return port;
  }

  positiveInteger(name: string, fallback: number): number {
    const value = this.optionalText(name) ?? String(fallback);
    if (!/^[1-9]\d{0,8}$/.test(value)) this.problem(`${name} must be a positive whole number`);
    return Number(value);
  }

  url(name: string, fallback?: string): string {
    const value = this.text(name, fallback);
    if (value === '') return value;
    const protocol = URL.canParse(value) ? new URL(value).protocol : '';
    if (protocol !== 'http:' && protocol !== 'https:') this.problem(`${name} must be an http or https URL`);
    return value.replace(/\/+$/, '');
  }

  postgresUrl(name: string): string {
    const value = this.text(name);
    if (value !== '' && !/^postgres(ql)?:\/\//.test(value)) this.problem(`${name} must be a postgresql:// URL`);
    return value;
  }

  /** 32 bytes in base64. */
  key32(name: string): Buffer {
    const value = this.text(name);
    const key = Buffer.from(value, 'base64');
    if (value !== '' && key.length !== 32) {
      this.problem(`${name} must be 32 bytes in base64: make one with "openssl rand -base64 32"`);
    }
    return key;
  }

  /** An Ed25519 private key: its seed of 32 bytes in base64, or PEM (PKCS #8), that too with \n for line ends or the whole in base64. */
  signingKey(name: string): KeyObject {
    const value = this.text(name);
    if (value !== '') {
      try {
        const key = ed25519Key(value);
        if (key.asymmetricKeyType === 'ed25519') return key;
      } catch {
        // Named below.
      }
      this.problem(
        `${name} must be an Ed25519 key, 32 bytes in base64 or PEM: make one with "openssl rand -base64 32" or "openssl genpkey -algorithm ed25519"`,
      );
    }
    return generateKeyPairSync('ed25519').privateKey;
  }

  /** One or, while rotating, several Standard Webhooks secrets, separated by commas. */
  webhookSecrets(name: string): readonly string[] {
    const value = this.text(name);
    if (value === '') return [];
    const secrets = value.split(',').map((secret) => secret.trim());
    if (secrets.some((secret) => !/^whsec_[A-Za-z0-9+/=_-]+$/.test(secret))) {
      this.problem(`${name} must be one or more whsec_… secrets, separated by commas`);
    }
    return secrets;
  }

  /** A public key in PEM, with its line ends escaped as \n or the whole in base64. */
  publicKeyPem(name: string): string {
    const value = this.text(name);
    if (value === '') return value;
    const pem = value.includes('-----BEGIN')
      ? value.replaceAll('\\n', '\n')
      : Buffer.from(value, 'base64').toString('utf8');
    try {
      createPublicKey(pem);
    } catch {
      this.problem(`${name} must be a public key in PEM, with \\n for line ends or the whole in base64`);
    }
    return pem;
  }
}

/** What stands before the seed in PKCS #8 DER of an Ed25519 private key (RFC 8410 §7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED_BYTES = 32;

function ed25519Key(value: string): KeyObject {
  if (value.includes('-----BEGIN')) return createPrivateKey(value.replaceAll('\\n', '\n'));
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== SEED_BYTES) return createPrivateKey(bytes.toString('utf8'));
  return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, bytes]), format: 'der', type: 'pkcs8' });
}
