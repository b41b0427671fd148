import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pool } from 'undici';
import { freePort } from '../embedded/free-port';
import { type Endpoint, entryCommand, processTable } from '../embedded/process-table';
import { projectRoot } from '../embedded/project-root';
import { newSecrets } from '../embedded/secrets';
import type { WorldAccount } from '../test/builders/spending-world';
import type { BenchDatabase } from './bench-database';

const AUTHORIZATIONS_PATH = '/processors/lithic/authorizations';
const NOWHERE: Endpoint = { port: 9, url: 'http://127.0.0.1:9' };

export interface BenchApi {
  /** Sends one signed authorization request and throws unless it is approved. */
  authorize(account: WorldAccount, cents: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A real api process on the bench's database, and a client that signs as the processor does. The vendors, the chain and
 * Temporal are not there: the way of an authorization does not need them.
 */
export async function startBenchApi(database: BenchDatabase, connections: number): Promise<BenchApi> {
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-bench-api-'));
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
  const secrets = newSecrets();
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
        databaseUrls: database.urls,
        temporalAddress: '127.0.0.1:9',
        rpcUrl: NOWHERE.url,
        chainDeploymentFile,
        api: { port, url },
        publicUrl: url,
        workerMetrics: NOWHERE,
        simulators: { 'card-network': NOWHERE, 'kyc-vendor': NOWHERE, 'off-ramp-vendor': NOWHERE },
        simulatorData: folder,
        secrets,
      }),
      SANDBOX_ENABLED: 'false',
    },
  });
  const pool = new Pool(url, { connections, pipelining: 1 });
  await untilAlive(pool, child);
  const key = Buffer.from(secrets.lithicAsaSecret.replace(/^whsec_/, ''), 'base64');

  return {
    async authorize(account, cents) {
      const body = JSON.stringify(asaRequest(account.cardToken, cents));
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
      if (!text.includes('"APPROVED"')) throw new Error(`${response.statusCode}: ${text}`);
    },
    async stop() {
      await pool.close();
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilAlive(pool: Pool, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 150; tries += 1) {
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
  throw new Error('the api process did not answer within 30 s');
}

/** A purchase in the shape that the processor publishes for its real-time request. */
function asaRequest(cardToken: string, cents: number) {
  const money = { amount: cents, currency: 'USD' };
  return {
    token: randomUUID(),
    event_token: randomUUID(),
    status: 'AUTHORIZATION',
    created: new Date().toISOString(),
    authorization_amount: cents,
    cardholder_currency: 'USD',
    merchant_amount: cents,
    merchant_currency: 'USD',
    amounts: { cardholder: money, merchant: money },
    cash_amount: 0,
    card: { token: cardToken },
    merchant: { acceptor_id: 'M-1', descriptor: 'CORNER GROCER', city: 'BERLIN', country: 'DEU', mcc: '5411' },
    avs: { address_on_file_match: null },
    pos: {
      entry_mode: { pan: 'ICC', cardholder: 'PRESENT' },
      terminal: { partial_approval_capable: false, type: 'POS_TERMINAL' },
    },
  };
}
