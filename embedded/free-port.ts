import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { tryLock, unlock } from './file-lock';

/** Ports above 1023 that `fetch` and browsers refuse to call (Fetch Standard, "bad port"): a server on one looks dead. */
const REFUSED_BY_FETCH: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

/**
 * Of the ports above it the system gives outgoing connections theirs (Linux from 32768, macOS from 49152), at any moment: one of them
 * may be taken between its claim and its server's start, by a connection that never asked here.
 */
const OUTGOING_FROM = 32_768;
const ANY_FROM = 20_000;

const handedOut = new Set<number>();
/** One file for each port that a running process has been given and may not listen on yet. */
const claims = path.join(tmpdir(), `escudo-ports-${userInfo().uid}`);

/**
 * A TCP port of 127.0.0.1 that nothing listens on and that can be called: `preferred` when it is free, else the next free one above it
 * (at most 50 further), else any below `OUTGOING_FROM`. A port is handed out once among all processes that ask here, so that two servers, or two
 * whole stacks, started side by side never get the same one.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && preferred > 0) {
    for (let port = preferred; port <= preferred + 50 && port < 65_536; port += 1) {
      if (await claim(port)) return port;
    }
  }
  for (;;) {
    const port = randomInt(ANY_FROM, OUTGOING_FROM);
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
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
