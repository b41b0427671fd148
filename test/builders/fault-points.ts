import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What passed through, once the other side had done its work. */
export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly request: string;
  readonly status: number;
  readonly answer: string;
}

export interface FaultPoints {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Stands between a process and somebody it calls, and passes everything on to `target`. When the other side has answered,
 * `onAnswer` may do harm and return true: then the answer never arrives. So a process can be killed exactly between an
 * effect outside and the moment it learns of it.
 */
export async function startFaultPoints(
  target: () => string,
  onAnswer: (passed: Passed) => Promise<boolean>,
): Promise<FaultPoints> {
  const server = createServer((incoming, outgoing) => {
    const pass = async (): Promise<void> => {
      const request = await bodyOf(incoming);
      const path = incoming.url ?? '/';
      const method = incoming.method ?? 'GET';
      const answer = await fetch(`${target()}${path}`, {
        method,
        headers: passedOn(incoming),
        ...(method === 'GET' ? {} : { body: new Uint8Array(request) }),
      });
      const text = await answer.text();
      if (await onAnswer({ method, path, request: request.toString('utf8'), status: answer.status, answer: text })) {
        outgoing.destroy();
        return;
      }
      outgoing.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' });
      outgoing.end(text);
    };
    // Whoever cannot be reached is as gone for the caller as without this in between.
    pass().catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const HOP_BY_HOP: ReadonlySet<string> = new Set(['host', 'connection', 'content-length', 'transfer-encoding']);

function passedOn(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === 'string' && !HOP_BY_HOP.has(name)) headers.set(name, value);
  }
  return headers;
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
