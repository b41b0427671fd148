import { createServer } from 'node:net';
import { required } from '../services/shared/assert';

const handedOut = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that nothing listens on: `preferred` when it is free, else the next free one above it
 * (at most 50 further), else any. A port is handed out once per process, so that two servers started side by side
 * never get the same one.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && preferred > 0) {
    for (let port = preferred; port <= preferred + 50 && port < 65_536; port += 1) {
      if (!handedOut.has(port) && (await portIsFree(port))) {
        handedOut.add(port);
        return port;
      }
    }
  }
  for (;;) {
    const port = required(await listenOnce(0), 'a port from the operating system');
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    return port;
  }
}

/** Whether nothing listens on this port of 127.0.0.1 now. */
export async function portIsFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== null;
}

async function listenOnce(port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(null);
      else reject(error);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
