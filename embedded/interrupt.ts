import { killAllProcesses } from './processes';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * On Ctrl-C (or a polite kill) runs `stop` and ends this process with the code shells expect. A second signal does not
 * wait any longer: what still runs is killed.
 */
export function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of signals) {
    process.on(signal, () => {
      if (stopping) {
        killAllProcesses();
        process.exit(1);
      }
      stopping = true;
      stop().then(
        () => process.exit(signal === 'SIGINT' ? 130 : 143),
        (error: unknown) => {
          process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
          killAllProcesses();
          process.exit(1);
        },
      );
    });
  }
}
