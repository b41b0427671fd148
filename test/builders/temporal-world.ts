import { randomBytes } from 'node:crypto';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { createTemporalClient, type TemporalClient, type TemporalSettings } from '../../services/temporal/client';
import type { WorkflowStarter } from '../../services/temporal/port';
import { sendRuntimeLog } from '../../services/temporal/runtime-log';
import { startTemporalWorker } from '../../services/temporal/temporal-worker';
import { bundleWorkflows } from '../../services/temporal/workflow-bundle';
import { createWorkflowStarter } from '../../services/temporal/workflow-starter';

/** Histories that are kept for replay were written with this key. */
export const TEST_CODEC_KEY = Buffer.alloc(32, 7);

export interface TemporalWorld {
  readonly settings: TemporalSettings;
  readonly temporal: TemporalClient;
  readonly starter: WorkflowStarter;
  stop(): Promise<void>;
}

let bundle: Promise<WorkflowBundleWithSourceMap> | null = null;

/** The workflows' bundle, made once for each test file. */
export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  if (bundle === null) {
    // Failures that tests cause on purpose would fill the report.
    sendRuntimeLog('ERROR', () => undefined);
    bundle = bundleWorkflows();
  }
  return bundle;
}

/** A worker with the real workflows and the given activities, on a task queue of its own, and a client for it. */
export async function startTemporalWorld(
  server: { readonly address: string; readonly namespace: string; readonly taskQueue: string },
  activities: object,
): Promise<TemporalWorld> {
  const settings = { ...server, codecKey: TEST_CODEC_KEY };
  const worker = await startTemporalWorker({ settings, activities, bundle: await workflowBundle() });
  const temporal = createTemporalClient(settings);
  return {
    settings,
    temporal,
    starter: createWorkflowStarter(temporal),
    async stop() {
      await worker.stop();
      await temporal.close();
    },
  };
}

/** For workflow ids and inputs that no other test uses. */
export function uniqueId(): string {
  return randomBytes(8).toString('hex');
}

/** Waits until `check` holds. Throws with `what` when it does not within 20 s. */
export async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (await check()) return;
    if (Date.now() > deadline) throw new Error(`still not so after a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** An activity that answers one result after the other, the last one again and again, and counts how often it was asked. */
export function scripted<Result>(...results: readonly [Result, ...Result[]]): {
  readonly activity: (input: unknown) => Promise<Result>;
  readonly calls: () => number;
} {
  let calls = 0;
  return {
    activity: async () => {
      const result = results[Math.min(calls, results.length - 1)] ?? results[0];
      calls += 1;
      return result;
    },
    calls: () => calls,
  };
}
