import { Connection } from '@temporalio/client';
import { inheritedEnvironment } from './config';
import { EmbeddedFailure } from './failure';
import { type ManagedProcess, type ProcessExit, startProcess, untilReady } from './processes';

const NAMESPACE = 'default';
/** A log ahead of the file: what was written outlives the process, and a workflow's start waits half as long for the disk. */
const DATABASE_PRAGMAS = ['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'];

export interface TemporalOptions {
  /** From `findTemporalBinary`. */
  readonly binary: string;
  readonly port: number;
  /** Of the web interface; left out, there is none. */
  readonly uiPort?: number;
  /** Database file that keeps the workflows between starts; left out, they are kept in memory. */
  readonly databaseFile?: string;
  readonly logFile: string;
  readonly onUnexpectedExit?: (exit: ProcessExit, lastLogLines: string) => void;
}

export interface RunningTemporal {
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string | null;
  readonly process: ManagedProcess;
  stop(): Promise<void>;
}

/** Starts a Temporal development server and waits until its namespace answers. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const address = `127.0.0.1:${options.port}`;
  const child = startProcess({
    name: 'Temporal',
    command: options.binary,
    args: [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(options.port),
      '--namespace',
      NAMESPACE,
      '--log-level',
      'warn',
      ...(options.uiPort === undefined ? ['--headless'] : ['--ui-port', String(options.uiPort)]),
      ...(options.databaseFile === undefined ? [] : ['--db-filename', options.databaseFile, ...DATABASE_PRAGMAS]),
    ],
    env: inheritedEnvironment(),
    logFile: options.logFile,
    ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
  });
  await untilReady(child, async () => (await temporalProblem(address)) === null, {
    timeoutMs: 120_000,
    intervalMs: 100,
  });
  return {
    address,
    namespace: NAMESPACE,
    uiUrl: options.uiPort === undefined ? null : `http://127.0.0.1:${options.uiPort}`,
    process: child,
    stop: async () => {
      await child.stop();
    },
  };
}

/**
 * Makes sure that someone else's cluster can be used.
 *
 * @throws {EmbeddedFailure} when it does not answer or has no namespace `default`.
 */
export async function requireTemporal(address: string): Promise<void> {
  const problem = await temporalProblem(address);
  if (problem === null) return;
  throw new EmbeddedFailure(
    `Temporal at ${address} cannot be used: ${problem}`,
    `start it, create its namespace \`${NAMESPACE}\`, or unset TEMPORAL_ADDRESS to start one here`,
  );
}

async function temporalProblem(address: string): Promise<string | null> {
  let connection: Connection | null = null;
  try {
    connection = await Connection.connect({ address, connectTimeout: '2s' });
    await connection.workflowService.describeNamespace({
      namespace: NAMESPACE,
    });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await connection?.close();
  }
}
