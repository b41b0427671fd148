import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { startAnvil } from '../../embedded/anvil';
import { ensureChainDeployment } from '../../embedded/chain/deploy-chain';
import { readEmbeddedConfig } from '../../embedded/config';
import { perRole } from '../../embedded/database-roles';
import { freePort } from '../../embedded/free-port';
import { createDatabase, createRoles, removePostgresData, roleUrls, startPostgres } from '../../embedded/postgres';
import { stopAllProcesses } from '../../embedded/processes';
import { runMigrations } from '../../embedded/run-migrations';
import { requireTemporal, startTemporal } from '../../embedded/temporal';
import { findTemporalBinary } from '../../embedded/temporal-binary';
import { temporaryFolder } from '../../embedded/temporary-folder';
import { describeTestServers, type TestServers, templateDatabase } from './test-server-addresses';

/**
 * Servers that one run of the tests shares. Jest calls the set-up of each selected project in one process: a server
 * that two projects need starts once.
 */
const slot = Symbol.for('escudo.test-servers');
type Started = { folder: string; parts: Map<string, Promise<void>>; servers: Partial<TestServers> };
const holder = globalThis as typeof globalThis & { [slot]?: Started };

function started(): Started {
  holder[slot] ??= { folder: temporaryFolder('escudo-test-'), parts: new Map(), servers: {} };
  return holder[slot];
}

/** Starts what is missing of the named servers and tells the test processes where they are. */
export async function startTestServers(...names: readonly ('postgres' | 'temporal' | 'anvil')[]): Promise<void> {
  const state = started();
  const start = { postgres: startDatabase, temporal: startWorkflowServer, anvil: startChain };
  for (const name of names) {
    if (!state.parts.has(name)) state.parts.set(name, start[name](state));
  }
  try {
    await Promise.all(state.parts.values());
  } catch (error) {
    await stopTestServers();
    throw error;
  }
  describeTestServers(state.servers);
}

/** Ends all of them and removes what they kept. */
export async function stopTestServers(): Promise<void> {
  const state = holder[slot];
  if (state === undefined) return;
  delete holder[slot];
  await Promise.allSettled(state.parts.values());
  await stopAllProcesses();
  removePostgresData(path.join(state.folder, 'postgres'));
  rmSync(state.folder, { recursive: true, force: true });
}

async function startDatabase(state: Started): Promise<void> {
  const passwords = perRole(() => randomBytes(12).toString('hex'));
  const { superuserUrl } = await startPostgres({
    dataDir: path.join(state.folder, 'postgres'),
    port: await freePort(),
    superuserPassword: randomBytes(12).toString('hex'),
    logFile: path.join(state.folder, 'postgres.log'),
  });
  await createRoles(superuserUrl, passwords);
  await createDatabase(superuserUrl, templateDatabase);
  await runMigrations(roleUrls(superuserUrl, templateDatabase, passwords));
  state.servers.postgres = { superuserUrl, passwords };
}

async function startWorkflowServer(state: Started): Promise<void> {
  const config = readEmbeddedConfig();
  if (config.temporalAddress !== null) {
    await requireTemporal(config.temporalAddress);
    state.servers.temporal = { address: config.temporalAddress };
    return;
  }
  const binary = await findTemporalBinary(config, (message) => process.stderr.write(`${message}\n`));
  const temporal = await startTemporal({
    binary,
    port: await freePort(),
    logFile: path.join(state.folder, 'temporal.log'),
  });
  state.servers.temporal = { address: temporal.address };
}

async function startChain(state: Started): Promise<void> {
  const anvil = await startAnvil({ port: await freePort(), logFile: path.join(state.folder, 'anvil.log') });
  const deploymentFile = path.join(state.folder, 'chain.json');
  await ensureChainDeployment(anvil.rpcUrl, deploymentFile);
  state.servers.anvil = { rpcUrl: anvil.rpcUrl, deploymentFile };
}
