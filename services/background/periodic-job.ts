export interface PeriodicJob {
  readonly name: string;
  /** From the end of one run to the beginning of the next. */
  readonly everyMs: number;
  run(): Promise<void>;
}

export interface RunningJob {
  /** Begins no further run and waits for the one that is under way. */
  stop(): Promise<void>;
}

/** Runs a job over and over. A run that throws is reported and does not end the job. */
export function startPeriodicJob(job: PeriodicJob, onError: (name: string, error: unknown) => void): RunningJob {
  let stopping = false;
  let timer: NodeJS.Timeout | null = null;
  let current: Promise<void> = Promise.resolve();

  const schedule = (waitMs: number) => {
    timer = setTimeout(() => {
      current = job
        .run()
        .catch((error: unknown) => onError(job.name, error))
        .then(() => {
          if (!stopping) schedule(job.everyMs);
        });
    }, waitMs);
  };
  // Jobs that begin together should not always meet.
  schedule(Math.min(job.everyMs, 500 + Math.floor(Math.random() * 500)));

  return {
    async stop() {
      stopping = true;
      if (timer !== null) clearTimeout(timer);
      await current;
    },
  };
}
