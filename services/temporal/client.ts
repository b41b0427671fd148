import { Client, Connection } from '@temporalio/client';
import { createDataConverter } from './data-converter';

export interface TemporalSettings {
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly codecKey: Buffer;
}

const CALL_TIMEOUT_MS = 10_000;

export interface TemporalClient {
  readonly client: Client;
  readonly taskQueue: string;
  /** Runs `call` with a deadline, so that a server that went silent cannot hold the caller. */
  withDeadline<T>(call: () => Promise<T>, timeoutMs?: number): Promise<T>;
  close(): Promise<void>;
}

/**
 * A client that connects with its first call: a process must start, and cards must work, while Temporal is away.
 */
export function createTemporalClient(settings: TemporalSettings): TemporalClient {
  const connection = Connection.lazy({
    address: settings.address,
    // By itself the channel would wait up to two minutes before it looks for a Temporal that was away.
    channelArgs: {
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.min_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 2_000,
    },
  });
  const client = new Client({
    connection,
    namespace: settings.namespace,
    dataConverter: createDataConverter(settings.codecKey),
  });
  return {
    client,
    taskQueue: settings.taskQueue,
    withDeadline: (call, timeoutMs = CALL_TIMEOUT_MS) => client.withDeadline(Date.now() + timeoutMs, call),
    close: () => connection.close(),
  };
}
