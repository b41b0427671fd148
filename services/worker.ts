import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { startPeriodicJob } from './background/periodic-job';
import { loadWorkerConfig } from './config/load-config';
import { livez, readyz } from './http/routes/health';
import { keepTemporalWorker } from './temporal/keep-temporal-worker';
import { sendRuntimeLog } from './temporal/runtime-log';
import { bundleWorkflows } from './temporal/workflow-bundle';
import { composeWorker } from './worker-composition';

async function main(): Promise<void> {
  const config = loadWorkerConfig();
  const parts = await composeWorker(config);
  const { logger, metrics } = parts;
  sendRuntimeLog('WARN', (level, message, fields) =>
    logger[level === 'ERROR' ? 'error' : 'warn']({ workflow_id: fields.workflowId, err: fields.error }, message),
  );
  const bundle = await bundleWorkflows();
  const worker = keepTemporalWorker({ settings: parts.temporal, activities: parts.activities, bundle }, (error) =>
    logger.error({ err: error }, 'the Temporal worker does not run; starting it again'),
  );
  const relay = parts.startRelay();
  const jobs = parts.jobs.map((job) =>
    startPeriodicJob(job, (name, error) => {
      metrics.jobFailures.inc({ job: name });
      logger.error({ err: error, job: name }, 'a periodic job failed; it runs again');
    }),
  );

  let stopping = false;
  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', livez);
  app.get(
    '/readyz',
    readyz(
      [
        ...parts.dependencies,
        {
          name: 'temporal-worker',
          required: true,
          check: async () => {
            if (!worker.isRunning()) throw new Error('it takes no tasks');
          },
        },
      ],
      () => stopping,
    ),
  );
  app.get('/metrics', async (_request, response) => {
    response.set('Content-Type', metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.metricsPort, config.metricsHost, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  logger.info({ address, port }, 'worker is running');

  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'worker is stopping');
    await Promise.allSettled([relay.stop(), worker.stop(), ...jobs.map((job) => job.stop())]);
    server.close();
    server.closeAllConnections();
    await parts.close();
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop('SIGTERM'));
  process.once('SIGINT', () => void stop('SIGINT'));
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
