import { runUntilSignal } from '../shared/run-until-signal';
import { startPartner } from './app';
import { readConfig } from './read-config';

async function main(): Promise<void> {
  const partner = await startPartner(readConfig(process.env));
  process.stdout.write(`partner listens on ${partner.url}\n`);
  runUntilSignal(() => partner.close());
}

main().catch((error: unknown) => {
  process.stderr.write(`partner could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
