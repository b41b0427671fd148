import { NativeConnection, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { TemporalSettings } from './client';
import { createDataConverter } from './data-converter';
import { keepHeartbeat } from './heartbeat';

export interface TemporalWorkerOptions {
  readonly settings: TemporalSettings;
  readonly activities: object;
  readonly bundle: WorkflowBundleWithSourceMap;
}

export interface RunningTemporalWorker {
  /** `RUNNING` while it takes tasks. */
  state(): string;
  /** Resolves when the worker has stopped, rejects when it died. */
  readonly ended: Promise<void>;
  /** Takes no further task, gives running activities a moment to end. What does not end is retried by another worker. */
  stop(): Promise<void>;
}

/**
 * A worker sized for two cores: activities wait for PostgreSQL, vendors and the chain most of their time, workflow tasks
 * use the CPU. No compression: payloads are encrypted ids, too small and too random to gain from it. New workflows come
 * through the non-sticky pollers, which the default ratio of 0.2 would starve.
 */
export async function startTemporalWorker(options: TemporalWorkerOptions): Promise<RunningTemporalWorker> {
  const { settings } = options;
  const connection = await NativeConnection.connect({ address: settings.address, grpcCompression: { codec: 'none' } });
  const worker = await Worker.create({
    connection,
    namespace: settings.namespace,
    taskQueue: settings.taskQueue,
    workflowBundle: options.bundle,
    activities: options.activities,
    dataConverter: createDataConverter(settings.codecKey),
    interceptors: { activity: [() => ({ inbound: keepHeartbeat() })] },
    shutdownGraceTime: '5 seconds',
    // After this a workflow whose worker was killed goes to any other.
    stickyQueueScheduleToStartTimeout: '5 seconds',
    shutdownForceTime: '15 seconds',
    maxCachedWorkflows: 200,
    maxConcurrentWorkflowTaskExecutions: 16,
    maxConcurrentWorkflowTaskPolls: 6,
    nonStickyToStickyPollRatio: 0.5,
    maxConcurrentActivityTaskExecutions: 32,
    maxConcurrentActivityTaskPolls: 4,
  });
  const ended = worker.run().finally(() => connection.close());
  // Whoever waits for `ended` sees the failure; nobody waiting yet must not end the process.
  ended.catch(() => undefined);
  return {
    state: () => worker.getState(),
    ended,
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended;
    },
  };
}
