import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { required } from '../services/shared/assert';
import { tryLock, unlock } from './file-lock';

/** Ports above 1023 that `fetch` and browsers refuse to call (Fetch Standard, "bad port"): a server on one looks dead. */
const REFUSED_BY_FETCH: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

const handedOut = new Set<number>();
/** One file for each port that a running process has been given and may not listen on yet. */
const claims = path.join(tmpdir(), `escudo-ports-${userInfo().uid}`);

/**
 * A TCP port of 127.0.0.1 that nothing listens on and that can be called: `preferred` when it is free, else the next free one above it
 * (at most 50 further), else any. A port is handed out once among all processes that ask here, so that two servers, or two
 * whole stacks, started side by side never get the same one.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && preferred > 0) {
    for (let port = preferred; port <= preferred + 50 && port < 65_536; port += 1) {
      if (await claim(port)) return port;
    }
  }
  for (;;) {
    const port = required(await listenOnce(0), 'a port from the operating system');
    if (await claim(port)) return port;
  }
}

/** Keeps the port for this process until it ends, unless it is taken. */
async function claim(port: number): Promise<boolean> {
  if (handedOut.has(port) || REFUSED_BY_FETCH.has(port)) return false;
  mkdirSync(claims, { recursive: true });
  const file = claimFile(port);
  if (!tryLock(file)) return false;
  if (!(await portIsFree(port))) {
    unlock(file);
    return false;
  }
  if (handedOut.size === 0) process.once('exit', giveBack);
  handedOut.add(port);
  return true;
}

function giveBack(): void {
  for (const port of handedOut) unlock(claimFile(port));
}

function claimFile(port: number): string {
  return path.join(claims, String(port));
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
