/** Starts a process as the embedded stack does, prints its id and waits to be killed: for the test of the watchdog. */
import { inheritedEnvironment } from '../../embedded/config';
import { startProcess } from '../../embedded/processes';

const child = startProcess({
  name: 'orphan',
  command: process.execPath,
  args: ['-e', 'setInterval(() => {}, 1000)'],
  env: inheritedEnvironment(),
  logFile: process.argv[2] ?? '',
});
process.stdout.write(`${child.pid}\n`);
setInterval(() => undefined, 1_000);
