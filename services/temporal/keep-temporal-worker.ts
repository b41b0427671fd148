import { type RunningTemporalWorker, startTemporalWorker, type TemporalWorkerOptions } from './temporal-worker';

export interface KeptTemporalWorker {
  /** Whether the worker takes tasks now. */
  isRunning(): boolean;
  stop(): Promise<void>;
}

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;

/** Keeps a worker running: started again when it died, and as soon as a Temporal that was away is back. */
export function keepTemporalWorker(
  options: TemporalWorkerOptions,
  onProblem: (error: unknown) => void,
): KeptTemporalWorker {
  let worker: RunningTemporalWorker | null = null;
  let stopping = false;
  let wake: () => void = () => undefined;

  const keep = async (): Promise<void> => {
    let failures = 0;
    while (!stopping) {
      try {
        worker = await startTemporalWorker(options);
        failures = 0;
        if (stopping) await worker.stop();
        else await worker.ended;
      } catch (error) {
        onProblem(error);
      }
      worker = null;
      if (stopping) return;
      const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10));
      failures += 1;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };

  const kept = keep();
  return {
    isRunning: () => worker?.state() === 'RUNNING',
    async stop() {
      stopping = true;
      wake();
      await worker?.stop().catch(onProblem);
      await kept;
    },
  };
}
