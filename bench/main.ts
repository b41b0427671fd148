import { parseArgs } from 'node:util';
import { benchAuthorizations } from './authorizations';
import { benchGrowth } from './growth';
import { benchWorkflowPath } from './workflow-path';

const BENCHES: Readonly<Record<string, (json: boolean, seconds: number) => Promise<void>>> = {
  authorizations: benchAuthorizations,
  growth: benchGrowth,
  'workflow-path': benchWorkflowPath,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '5' } },
  });
  const name = positionals[0] ?? '';
  const bench = BENCHES[name];
  const seconds = Number(values.seconds);
  if (!bench || !(seconds > 0)) {
    process.stderr.write(`Usage: npm run bench -- <${Object.keys(BENCHES).join('|')}> [--json] [--seconds 5]\n`);
    process.exitCode = 2;
    return;
  }
  await bench(values.json, seconds);
}

void main();
