import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of a tick of /proc; Linux has counted in hundredths of a second for as long as it shows them. */
const TICK_MS = 10;

/** Processor time so far, milliseconds: of this process, and of a PostgreSQL server with its children. */
export interface ProcessorTime {
  readonly node: number;
  readonly postgres: number;
}

/** Null where the system does not tell (only Linux does, by /proc). */
export function processorTime(serverPid: number): ProcessorTime | null {
  if (process.platform !== 'linux') return null;
  const { user, system } = process.cpuUsage();
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = fieldsOf(name);
    // After the name in brackets: state, parent, …; user and system time are fields 14 and 15 of the whole line.
    if (fields && (Number(name) === serverPid || Number(fields[1]) === serverPid))
      ticks += Number(fields[11]) + Number(fields[12]);
  }
  return { node: (user + system) / 1000, postgres: ticks * TICK_MS };
}

function fieldsOf(pid: string): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    // It ended meanwhile.
    return null;
  }
}
