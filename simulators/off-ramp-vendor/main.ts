import { runUntilSignal } from '../shared/run-until-signal';
import { startOffRampVendor } from './app';
import { readConfig } from './read-config';

async function main(): Promise<void> {
  const vendor = await startOffRampVendor(readConfig(process.env));
  process.stdout.write(`off-ramp-vendor listens on ${vendor.url}\n`);
  runUntilSignal(() => vendor.close());
}

main().catch((error: unknown) => {
  process.stderr.write(`off-ramp-vendor could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
