import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pool } from 'undici';
import type { PerRole } from '../../embedded/database-roles';
import { freePort } from '../../embedded/free-port';
import { type Endpoint, entryCommand, processTable } from '../../embedded/process-table';
import { projectRoot } from '../../embedded/project-root';
import { newSecrets } from '../../embedded/secrets';
import { required } from '../../services/shared/assert';
import { lithicRequest } from './lithic-request';
import type { WorldAccount } from './spending-world';

const AUTHORIZATIONS_PATH = '/processors/lithic/authorizations';
const NOWHERE: Endpoint = { port: 9, url: 'http://127.0.0.1:9' };

/** What the processor is answered. */
export interface SignedAnswer {
  readonly status: number;
  /** The processor's word for the outcome, e.g. `APPROVED`; null when the body has none. */
  readonly result: string | null;
}

export interface ApiProcess {
  readonly url: string;
  readonly pid: number;
  /** Sends one signed authorization request. Throws when no answer came. */
  authorize(account: WorldAccount, cents: number, ids?: MessageIds): Promise<SignedAnswer>;
  /** Ends the process at once, as a crash would. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Identity of a message at the processor: the same again is a repetition. */
export interface MessageIds {
  readonly token: string;
  readonly eventToken: string;
  readonly created: string;
}

export function newMessageIds(): MessageIds {
  return { token: randomUUID(), eventToken: randomUUID(), created: new Date().toISOString() };
}

/**
 * A real api process on a database, and a client that signs as the processor does. The vendors, the chain and Temporal are
 * not there: the way of an authorization does not need them.
 */
export async function startApiProcess(
  databaseUrls: PerRole,
  connections: number,
  secrets = newSecrets(),
): Promise<ApiProcess> {
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-api-'));
  const chainDeploymentFile = path.join(folder, 'deployment.json');
  const address = `0x${'11'.repeat(20)}`;
  writeFileSync(
    chainDeploymentFile,
    JSON.stringify({
      chainId: 31_337,
      rpcUrl: NOWHERE.url,
      confirmations: 1,
      tokens: { USDC: { address, decimals: 6 } },
      feeds: { USDC: address },
      aave: { pool: address, poolAddressesProvider: address, poolDataProvider: address, oracle: address },
    }),
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const [command, ...args] = entryCommand(processTable.api.entry, 'checkout');
  const child: ChildProcess = spawn(command, args, {
    cwd: projectRoot,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      ...processTable.api.env({
        environment: 'test',
        logLevel: 'error',
        bindHost: '127.0.0.1',
        databaseUrls,
        temporalAddress: '127.0.0.1:9',
        rpcUrl: NOWHERE.url,
        chainDeploymentFile,
        api: { port, url },
        publicUrl: url,
        workerMetrics: NOWHERE,
        simulators: { 'card-network': NOWHERE, 'kyc-vendor': NOWHERE, 'off-ramp-vendor': NOWHERE, partner: NOWHERE },
        simulatorData: folder,
        secrets,
      }),
      SANDBOX_ENABLED: 'false',
    },
  });
  const pool = new Pool(url, { connections, pipelining: 1 });
  await untilAlive(pool, child);
  const key = Buffer.from(secrets.lithicAsaSecret.replace(/^whsec_/, ''), 'base64');

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    // A crash does not wait for the callers to hang up: what it has sent by then arrives.
    if (signal !== 'SIGKILL') await pool.destroy();
    if (child.exitCode === null && child.signalCode === null) {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await exited;
    }
    await pool.destroy();
    rmSync(folder, { recursive: true, force: true });
  };

  return {
    url,
    pid: required(child.pid, 'pid of the api process'),
    async authorize(account, cents, ids = newMessageIds()) {
      const body = JSON.stringify(asaRequest(account.cardToken, cents, ids));
      const id = `msg_${randomUUID()}`;
      const timestamp = Math.floor(Date.now() / 1000).toString();
      const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
      const response = await pool.request({
        method: 'POST',
        path: AUTHORIZATIONS_PATH,
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': `v1,${signature}`,
        },
        body,
      });
      const text = await response.body.text();
      return { status: response.statusCode, result: /"result":"(\w+)"/.exec(text)?.[1] ?? null };
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

/** It takes 3 s on a quiet machine. */
const START_LIMIT_MS = 120_000;

async function untilAlive(pool: Pool, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the api process ended with ${child.exitCode}`);
    const alive = await pool.request({ method: 'GET', path: '/livez' }).then(
      async (response) => {
        await response.body.dump();
        return response.statusCode === 200;
      },
      () => false,
    );
    if (alive) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`the api process did not answer within ${START_LIMIT_MS / 1_000} s`);
}

/** A purchase in the shape that the processor publishes for its real-time request. */
function asaRequest(cardToken: string, cents: number, ids: MessageIds) {
  return lithicRequest(cardToken, cents, {
    token: ids.token,
    event_token: ids.eventToken,
    created: ids.created,
    merchant: { acceptor_id: 'M-1', descriptor: 'CORNER GROCER', city: 'BERLIN', country: 'DEU', mcc: '5411' },
    avs: { address_on_file_match: null },
    pos: {
      entry_mode: { pan: 'ICC', cardholder: 'PRESENT' },
      terminal: { partial_approval_capable: false, type: 'POS_TERMINAL' },
    },
  });
}
