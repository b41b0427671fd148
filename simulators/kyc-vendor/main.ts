import { runUntilSignal } from '../shared/run-until-signal';
import { startKycVendor } from './app';
import { readConfig } from './read-config';

async function main(): Promise<void> {
  const vendor = await startKycVendor(readConfig(process.env));
  process.stdout.write(`kyc-vendor listens on ${vendor.url}\n`);
  runUntilSignal(() => vendor.close());
}

main().catch((error: unknown) => {
  process.stderr.write(`kyc-vendor could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
