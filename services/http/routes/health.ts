import { connect } from 'node:net';
import type { Request, Response } from 'express';

/** Something this process leans on. Cards must go on without those that are not `required`: their loss only degrades. */
export interface Dependency {
  readonly name: string;
  readonly required: boolean;
  /** Rejects, or stays silent for too long, when the dependency cannot be used. */
  check(): Promise<void>;
  /** What is worth knowing about it besides. Left out of the answer when it cannot be had. */
  detail?(): Promise<Readonly<Record<string, unknown>>>;
}

const PATIENCE_MS = 2_000;

export function livez(_request: Request, response: Response): void {
  response.json({ status: 'alive' });
}

/** Names every dependency. 503 only when a required one fails or the process is stopping. */
export function readyz(dependencies: readonly Dependency[], isStopping: () => boolean) {
  return async (_request: Request, response: Response): Promise<void> => {
    const states = await Promise.all(
      dependencies.map(async ({ name, required, check, detail }) => {
        const ok = await answers(check);
        const more = detail === undefined ? null : await inTime(detail).catch(() => null);
        return { name, required, ok, ...(more === null ? {} : { detail: more }) };
      }),
    );
    const missing = states.filter((state) => !state.ok);
    const unready = isStopping() || missing.some((state) => state.required);
    response.status(unready ? 503 : 200).json({
      status: unready ? 'unready' : missing.length > 0 ? 'degraded' : 'ready',
      stopping: isStopping(),
      dependencies: states,
    });
  };
}

/** Rejects when nobody takes a TCP connection at `address` (`host:port`). */
export async function acceptsConnections(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect({ host: hostname, port: Number(port), timeout: PATIENCE_MS });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('timeout', () => reject(new Error('no answer')));
    });
  } finally {
    socket.destroy();
  }
}

async function answers(check: () => Promise<void>): Promise<boolean> {
  try {
    await inTime(check);
    return true;
  } catch {
    return false;
  }
}

async function inTime<T>(ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), PATIENCE_MS);
  });
  try {
    return await Promise.race([ask(), patience]);
  } finally {
    clearTimeout(timer);
  }
}
