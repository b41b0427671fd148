import { describeFailure } from './failure';
import { stopOnSignal } from './interrupt';
import { stopAllProcesses } from './processes';
import { type Stack, startStack } from './stack';

async function main(): Promise<void> {
  const began = performance.now();
  const say = (message: string): void => {
    process.stdout.write(`[${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s] ${message}\n`);
  };
  let stack: Stack | null = null;
  stopOnSignal(async () => {
    say('stopping; the state is kept');
    if (stack === null) await stopAllProcesses();
    else await stack.stop();
  });
  say(
    'starting PostgreSQL, Temporal, an EVM chain with Aave v3, simulators of three vendors and of a fintech, api and worker',
  );
  stack = await startStack({ onProgress: say });
  process.stdout.write(welcome(stack));
}

function welcome(stack: Stack): string {
  const { apiUrl, secrets, surroundings } = stack;
  const lines = [
    ['API', apiUrl],
    ['API reference', `${apiUrl}/openapi.json`],
    ['Temporal', stack.temporalUiUrl ?? stack.temporalAddress],
    ['EVM chain', `${stack.rpcUrl} (chain 31337)`],
    ['PostgreSQL, read only', stack.databaseUrls.escudo_readonly],
    ['Card network simulator', surroundings.simulators['card-network'].url],
    ['KYC vendor simulator', surroundings.simulators['kyc-vendor'].url],
    ['Off-ramp and bank simulator', surroundings.simulators['off-ramp-vendor'].url],
    ['Fintech that decides itself', `${surroundings.simulators.partner.url}/decisions`],
    ['State and logs', stack.folder.root],
    ['Operator key', secrets.operatorKey],
  ] as const;
  const width = Math.max(...lines.map(([name]) => name.length));
  return `
Escudo is running. Ctrl-C stops it and keeps its state; npm run reset clears it.

${lines.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')}

Create an organization with its first API key:

  curl -s ${apiUrl}/v1/organizations \\
    -H 'authorization: Bearer ${secrets.operatorKey}' \\
    -H 'content-type: application/json' \\
    -H "idempotency-key: $(node -p 'crypto.randomUUID()')" \\
    -d '{"name":"My fintech"}'

Is everything well?

  curl -s ${apiUrl}/readyz

`;
}

main().catch(async (error: unknown) => {
  await stopAllProcesses();
  process.stderr.write(`\nThe stack could not start.\n${describeFailure(error)}\n`);
  process.exit(1);
});
