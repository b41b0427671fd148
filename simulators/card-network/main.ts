import { runUntilSignal } from '../shared/run-until-signal';
import { startCardNetwork } from './app';
import { readConfig } from './read-config';

async function main(): Promise<void> {
  const network = await startCardNetwork(readConfig(process.env));
  process.stdout.write(`card-network listens on ${network.url}\n`);
  runUntilSignal(() => network.close());
}

main().catch((error: unknown) => {
  process.stderr.write(`card-network could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
