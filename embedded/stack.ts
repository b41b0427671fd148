import path from 'node:path';
import { required } from '../services/shared/assert';
import { startAnvil } from './anvil';
import { ensureChainDeployment } from './chain/deploy-chain';
import type { SandboxDeployment } from './chain/deployment-file';
import { openFaucet } from './chain/faucet';
import { feedHeartbeatSeconds, keepPricesFresh } from './chain/feed-heartbeat';
import { inheritedEnvironment, readEmbeddedConfig } from './config';
import type { PerRole } from './database-roles';
import { EmbeddedFailure } from './failure';
import { freePort } from './free-port';
import { createDatabase, createRoles, databaseExists, databaseUrl, roleUrls, startPostgres } from './postgres';
import {
  defaultPorts,
  type Endpoint,
  entryCommand,
  processTable,
  type ServiceName,
  type Surroundings,
  serviceNames,
} from './process-table';
import {
  describeExit,
  type ManagedProcess,
  type ProcessExit,
  startProcess,
  stopAllProcesses,
  untilReady,
} from './processes';
import { runMigrations } from './run-migrations';
import { keptSecrets, type Secrets } from './secrets';
import { lockFolder, type StackFolder, stackFolder } from './stack-folder';
import { requireTemporal, startTemporal } from './temporal';
import { findTemporalBinary } from './temporal-binary';

export const DATABASE = 'escudo';
const SERVICE_START_LIMIT_MS = 120_000;

export const infrastructureNames = ['postgres', 'temporal', 'anvil'] as const;
export type PartName = (typeof infrastructureNames)[number] | ServiceName;

export interface StackOptions {
  /** State, keys and logs; the folder from the environment when left out. */
  readonly dataDir?: string;
  /** Parts to start; all when left out. The database is migrated and the chain deployed with their part. */
  readonly only?: readonly PartName[];
  readonly environment?: Surroundings['environment'];
  readonly logLevel?: string;
  /** Publish every feed's last price again from time to time. Default true; a test of stale prices says false. */
  readonly keepPricesFresh?: boolean;
  /** Variables laid over those of the process table, for tests that need a fault or a shorter time. */
  readonly extraEnv?: Partial<Readonly<Record<ServiceName, Readonly<Record<string, string>>>>>;
  readonly onProgress?: (message: string) => void;
  /** A part ended that nobody asked to. Left out, it is reported by `onProgress`. */
  readonly onUnexpectedExit?: (part: PartName, exit: ProcessExit, lastLogLines: string) => void;
}

export interface Stack {
  readonly folder: StackFolder;
  readonly secrets: Secrets;
  readonly surroundings: Surroundings;
  readonly apiUrl: string;
  readonly temporalAddress: string;
  readonly temporalUiUrl: string | null;
  readonly rpcUrl: string;
  readonly databaseUrls: PerRole;
  /** As superuser, who sees every row: for proofs and tests. */
  readonly superuserUrl: string;
  /** Throws when the chain was left out of `only`. */
  deployment(): SandboxDeployment;
  /** The environment a process runs with. */
  env(service: ServiceName): Readonly<Record<string, string>>;
  process(part: PartName): ManagedProcess;
  /** Starts a part that was stopped or killed, on its old port with its old state, and waits until it is ready. */
  start(part: PartName): Promise<void>;
  stopPart(part: PartName): Promise<void>;
  kill(part: PartName, signal: NodeJS.Signals): Promise<void>;
  restart(part: PartName): Promise<void>;
  /** A second process of the api on a port of its own. It ends with the stack. */
  startAnotherApi(): Promise<{ readonly url: string; readonly process: ManagedProcess }>;
  /** Ends every part in order and keeps its state. */
  stop(): Promise<void>;
}

/**
 * Starts the whole system on this machine: PostgreSQL, Temporal and Anvil side by side, then the migrations, then the
 * simulators, api and worker, each a process of its own, and waits until all are ready.
 *
 * @throws {EmbeddedFailure} naming the step and its mend; what was started by then has been stopped again.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const folder = stackFolder(options.dataDir ?? readEmbeddedConfig().dataDir);
  const unlock = lockFolder(folder);
  try {
    return await start(options, folder, unlock);
  } catch (error) {
    await stopAllProcesses();
    unlock();
    throw error;
  }
}

async function start(options: StackOptions, folder: StackFolder, unlock: () => void): Promise<Stack> {
  const config = readEmbeddedConfig();
  const wanted = (part: PartName): boolean => options.only === undefined || options.only.includes(part);
  const report = options.onProgress ?? (() => undefined);
  const secrets = keptSecrets(folder.secretsFile);
  const logFile = (name: string): string => path.join(folder.logs, `${name}.log`);
  const processes = new Map<PartName, ManagedProcess>();
  let deployment: SandboxDeployment | null = null;
  let stopping = false;

  const unexpectedExit = (part: PartName) => (exit: ProcessExit, lastLogLines: string) => {
    if (stopping) return;
    if (options.onUnexpectedExit !== undefined) options.onUnexpectedExit(part, exit, lastLogLines);
    else report(`${part} ended by itself (${describeExit(exit)}); last lines of ${logFile(part)}:\n${lastLogLines}`);
  };

  const ports = {
    postgres: await freePort(defaultPorts.postgres),
    temporal: await freePort(defaultPorts.temporal),
    'temporal-ui': await freePort(defaultPorts['temporal-ui']),
    anvil: await freePort(defaultPorts.anvil),
  };
  const endpoint = async (name: keyof typeof defaultPorts): Promise<Endpoint> => {
    const port = await freePort(defaultPorts[name]);
    return { port, url: `http://127.0.0.1:${port}` };
  };
  const superuser = encodeURIComponent(secrets.postgresSuperuserPassword);
  const serverUrl = `postgres://postgres:${superuser}@127.0.0.1:${ports.postgres}/postgres`;
  const api = await endpoint('api');
  const surroundings: Surroundings = {
    environment: options.environment ?? 'development',
    logLevel: options.logLevel ?? 'info',
    bindHost: '127.0.0.1',
    databaseUrls: roleUrls(serverUrl, DATABASE, secrets.databasePasswords),
    temporalAddress: config.temporalAddress ?? `127.0.0.1:${ports.temporal}`,
    rpcUrl: `http://127.0.0.1:${ports.anvil}`,
    chainDeploymentFile: folder.chainDeployment,
    api,
    publicUrl: api.url,
    workerMetrics: await endpoint('worker-metrics'),
    simulators: {
      'card-network': await endpoint('card-network'),
      'kyc-vendor': await endpoint('kyc-vendor'),
      'off-ramp-vendor': await endpoint('off-ramp-vendor'),
      partner: await endpoint('partner'),
    },
    simulatorData: folder.simulators,
    secrets,
  };
  const ownTemporal = config.temporalAddress === null;
  const env = (service: ServiceName): Readonly<Record<string, string>> => ({
    ...processTable[service].env(surroundings),
    ...options.extraEnv?.[service],
  });

  const startService = async (
    service: ServiceName,
    name: string = service,
    at: Surroundings = surroundings,
  ): Promise<ManagedProcess> => {
    const { entry, health, env: envOf } = processTable[service];
    const [, ...args] = entryCommand(entry, 'checkout');
    const child = startProcess({
      name,
      // The very Node that runs this, whatever PATH says.
      command: process.execPath,
      args,
      env: { ...inheritedEnvironment(), ...envOf(at), ...options.extraEnv?.[service] },
      logFile: logFile(name),
      stopTimeoutMs: 15_000,
      onUnexpectedExit: unexpectedExit(service),
    });
    const url = `${health.endpoint(at).url}${health.path}`;
    await untilReady(child, () => isReady(url), { timeoutMs: SERVICE_START_LIMIT_MS, intervalMs: 100 });
    return child;
  };

  const starters: Readonly<Record<(typeof infrastructureNames)[number], () => Promise<ManagedProcess>>> = {
    postgres: () =>
      afterCrash(async () => {
        const postgres = await startPostgres({
          dataDir: folder.postgres,
          port: ports.postgres,
          superuserPassword: secrets.postgresSuperuserPassword,
          logFile: logFile('postgres'),
          onUnexpectedExit: unexpectedExit('postgres'),
        });
        return postgres.process;
      }),
    temporal: async () => {
      const temporal = await startTemporal({
        binary: await findTemporalBinary(config, report),
        port: ports.temporal,
        uiPort: ports['temporal-ui'],
        databaseFile: folder.temporalDatabase,
        logFile: logFile('temporal'),
        onUnexpectedExit: unexpectedExit('temporal'),
      });
      return temporal.process;
    },
    anvil: async () => {
      const anvil = await startAnvil({
        port: ports.anvil,
        stateFile: folder.chainState,
        logFile: logFile('anvil'),
        onUnexpectedExit: unexpectedExit('anvil'),
      });
      return anvil.process;
    },
  };
  const startPart = async (part: PartName): Promise<void> => {
    if (processes.get(part)?.isRunning() === true) return;
    processes.set(
      part,
      part in starters ? await starters[part as keyof typeof starters]() : await startService(part as ServiceName),
    );
  };
  const running = (part: PartName): ManagedProcess => required(processes.get(part), `the part ${part} of this stack`);

  const timed = async (what: string, work: () => Promise<void>): Promise<void> => {
    const began = performance.now();
    await work();
    report(`${what} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  };

  const bringUpDatabase = async (): Promise<void> => {
    await timed('PostgreSQL is ready', () => startPart('postgres'));
    await timed('the schema is up to date', async () => {
      await createRoles(serverUrl, secrets.databasePasswords);
      if (!(await databaseExists(serverUrl, DATABASE))) await createDatabase(serverUrl, DATABASE);
      await runMigrations(surroundings.databaseUrls);
    });
  };
  const bringUpTemporal = async (): Promise<void> => {
    if (ownTemporal) await timed('Temporal is ready', () => startPart('temporal'));
    else
      await timed(`Temporal at ${surroundings.temporalAddress} answers`, () =>
        requireTemporal(surroundings.temporalAddress),
      );
  };
  const bringUpChain = async (): Promise<void> => {
    await timed('Anvil is ready', () => startPart('anvil'));
    await timed('tokens, price feeds and Aave v3 are on the chain', async () => {
      deployment = await ensureChainDeployment(surroundings.rpcUrl, folder.chainDeployment);
      await openFaucet(deployment).refreshPrices(feedHeartbeatSeconds);
    });
  };

  await allOrFirstFailure([
    wanted('postgres') ? bringUpDatabase() : null,
    wanted('temporal') ? bringUpTemporal() : null,
    wanted('anvil') ? bringUpChain() : null,
  ]);
  await allOrFirstFailure(
    serviceNames.filter(wanted).map((service) => timed(`${service} is ready`, () => startPart(service))),
  );
  const prices = deployment === null || options.keepPricesFresh === false ? null : keepPricesFresh(deployment);

  let stopped: Promise<void> | null = null;
  return {
    folder,
    secrets,
    surroundings,
    apiUrl: surroundings.api.url,
    temporalAddress: surroundings.temporalAddress,
    temporalUiUrl: ownTemporal ? `http://127.0.0.1:${ports['temporal-ui']}` : null,
    rpcUrl: surroundings.rpcUrl,
    databaseUrls: surroundings.databaseUrls,
    superuserUrl: databaseUrl(serverUrl, DATABASE),
    deployment: () => required(deployment, 'the chain of this stack'),
    env,
    process: running,
    start: startPart,
    stopPart: async (part) => {
      await running(part).stop();
    },
    kill: (part, signal) => running(part).kill(signal),
    async restart(part) {
      await running(part).stop();
      await startPart(part);
    },
    async startAnotherApi() {
      const another = await endpoint('api');
      const child = await startService('api', `api-${another.port}`, { ...surroundings, api: another });
      return { url: another.url, process: child };
    },
    stop() {
      stopped ??= (async () => {
        stopping = true;
        if (prices !== null) clearInterval(prices);
        // Newest first: worker and api let go of what the servers hold.
        await stopAllProcesses();
        unlock();
      })();
      return stopped;
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  await response.arrayBuffer();
  return response.ok;
}

/** PostgreSQL's own children need a moment to notice that it was killed; until then it refuses to start again. */
async function afterCrash<T>(startAgain: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startAgain();
    } catch (error) {
      const held = error instanceof EmbeddedFailure && /shared memory block|postmaster\.pid/.test(error.message);
      if (!held || attempt >= 10) throw error;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}

/** Waits for all, so that nothing is still starting when the first failure is thrown. */
async function allOrFirstFailure(work: readonly (Promise<void> | null)[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
