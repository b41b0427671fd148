import { DefaultLogger, type LogLevel, Runtime } from '@temporalio/worker';

/** Where the SDK's own log lines go; `fields` may hold an `error`. */
export type RuntimeLogSink = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;

/** Sends what the SDK has to say, its native part included, to the process log. Once for each process, before any worker. */
export function sendRuntimeLog(level: LogLevel, sink: RuntimeLogSink): void {
  Runtime.install({
    logger: new DefaultLogger(level, (entry) => sink(entry.level, entry.message, entry.meta ?? {})),
    telemetryOptions: { logging: { forward: {}, filter: `temporalio=${level.toLowerCase()},warn` } },
    shutdownSignals: [],
  });
}
