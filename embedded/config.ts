import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import type { PerRole } from './database-roles';
import { projectRoot } from './project-root';

/** What the embedded stack reads from its surroundings. Nothing else in embedded/ reads `process.env`. */
export interface EmbeddedConfig {
  /** Where databases, keys and logs are kept between starts. */
  readonly dataDir: string;
  /** Where downloaded and built programs are kept, outside the checkout. */
  readonly cacheDir: string;
  /** Someone's Temporal cluster (host:port), used instead of a server of our own. */
  readonly temporalAddress: string | null;
  /** Folders that are searched for programs. */
  readonly searchPath: readonly string[];
}

export function readEmbeddedConfig(): EmbeddedConfig {
  const dataDir = process.env.ESCUDO_DATA_DIR;
  const temporalAddress = process.env.TEMPORAL_ADDRESS;
  return {
    dataDir: path.resolve(projectRoot, dataDir === undefined || dataDir === '' ? '.escudo' : dataDir),
    cacheDir: cacheFolder(),
    temporalAddress: temporalAddress === undefined || temporalAddress === '' ? null : temporalAddress,
    searchPath: (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== ''),
  };
}

const databasePreparation = z.object({
  SUPERUSER_URL: z.string().min(1),
  DATABASE_NAME: z.string().min(1),
  ESCUDO_MIGRATOR_PASSWORD: z.string().min(1),
  ESCUDO_APP_PASSWORD: z.string().min(1),
  ESCUDO_AUTHORIZER_PASSWORD: z.string().min(1),
  ESCUDO_WORKER_PASSWORD: z.string().min(1),
  ESCUDO_READONLY_PASSWORD: z.string().min(1),
});

/** What `prepare-database` is told. Throws with everything that is missing. */
export function readDatabasePreparation(): {
  readonly superuserUrl: string;
  readonly name: string;
  readonly passwords: PerRole;
} {
  const values = parseEnvironment(databasePreparation);
  return {
    superuserUrl: values.SUPERUSER_URL,
    name: values.DATABASE_NAME,
    passwords: {
      escudo_migrator: values.ESCUDO_MIGRATOR_PASSWORD,
      escudo_app: values.ESCUDO_APP_PASSWORD,
      escudo_authorizer: values.ESCUDO_AUTHORIZER_PASSWORD,
      escudo_worker: values.ESCUDO_WORKER_PASSWORD,
      escudo_readonly: values.ESCUDO_READONLY_PASSWORD,
    },
  };
}

/** What the processes that look after the sandbox's chain are told. Throws with everything that is missing. */
export function readChainConfig(): { readonly rpcUrl: string; readonly deploymentFile: string } {
  const values = parseEnvironment(z.object({ RPC_URL: z.url(), CHAIN_DEPLOYMENT_FILE: z.string().min(1) }));
  return { rpcUrl: values.RPC_URL, deploymentFile: values.CHAIN_DEPLOYMENT_FILE };
}

/** The environment, when it names a database to read from; null: look for a stack that runs here. */
export function readerEnvironment(): Readonly<Record<string, string | undefined>> | null {
  const { DATABASE_URL_READONLY, DATABASE_URL_WORKER } = process.env;
  return DATABASE_URL_READONLY || DATABASE_URL_WORKER ? { DATABASE_URL_READONLY, DATABASE_URL_WORKER } : null;
}

function parseEnvironment<T>(schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(process.env);
  if (!parsed.success) throw new Error(`the environment is not usable:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS'];
const INHERITED_BY_DOWNLOADS = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];

/**
 * The part of our environment that a started process may see: enough to run, and nothing that would change its
 * configuration behind the process table's back.
 */
export function inheritedEnvironment(): Record<string, string> {
  return pick(INHERITED);
}

/** The same for programs that fetch from the internet: proxies and the Go tool's own settings are kept. */
export function downloadEnvironment(): Record<string, string> {
  const goSettings = Object.keys(process.env).filter((name) => /^GO[A-Z]+$/.test(name));
  return pick([...INHERITED, ...INHERITED_BY_DOWNLOADS, ...goSettings]);
}

function pick(names: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

function cacheFolder(): string {
  const explicit = process.env.XDG_CACHE_HOME;
  if (explicit !== undefined && path.isAbsolute(explicit)) return path.join(explicit, 'escudo');
  if (process.platform === 'darwin') return path.join(homedir(), 'Library', 'Caches', 'escudo');
  return path.join(homedir(), '.cache', 'escudo');
}
