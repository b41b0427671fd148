import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { composeApi } from './composition';
import { loadApiConfig } from './config/load-config';

/** Long enough for a load balancer to notice `/readyz`, and for the longest answer to a network. */
const DRAIN_MS = 3_500;

async function main(): Promise<void> {
  const config = loadApiConfig();
  const api = await composeApi(config);
  const server = createServer(
    { keepAliveTimeout: 65_000, headersTimeout: 15_000, requestTimeout: 30_000 },
    api.listener,
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  api.logger.info({ address, port }, 'api is listening');

  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    api.logger.info({ signal }, 'api is stopping');
    api.beginStopping();
    server.close(() => {
      api.close().finally(() => process.exit(0));
    });
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
