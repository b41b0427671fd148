/**
 * Ends the processes of a stack whose parent died without stopping them (kill -9, crash, closed terminal).
 *
 * The parent keeps this process's standard input open and writes `add <pid>` and `remove <pid>`, one a line. When the
 * pipe closes, whatever is still listed gets SIGTERM as a process group, and SIGKILL five seconds later.
 */
import { createInterface } from 'node:readline';

const groups = new Set<number>();

// The terminal's Ctrl-C is for the parent: it stops its children in order, and this process follows the pipe.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

function signalGroup(pid: number, signal: NodeJS.Signals | 0): void {
  try {
    process.kill(-pid, signal);
  } catch {
    groups.delete(pid);
  }
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [command, pid] = line.split(' ');
  if (command === 'add') groups.add(Number(pid));
  if (command === 'remove') groups.delete(Number(pid));
});
lines.on('close', () => {
  for (const pid of groups) signalGroup(pid, 'SIGTERM');
  const deadline = Date.now() + 5_000;
  const look = setInterval(() => {
    const late = Date.now() > deadline;
    // Signal 0 only asks: a group that has ended is taken off the list.
    for (const pid of groups) signalGroup(pid, late ? 'SIGKILL' : 0);
    if (groups.size === 0 || late) {
      clearInterval(look);
      process.exit(0);
    }
  }, 100);
});
