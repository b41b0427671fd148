/** `npm run check`: everything that needs no running system. Each check runs, so that one run shows all there is to mend. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(__dirname, '..');
const sources = ['services', 'workflows', 'migrations', 'simulators', 'embedded', 'test', 'bench', 'scripts'];

const checks: readonly (readonly [name: string, program: string, args: readonly string[]])[] = [
  ['types', 'tsc', ['--noEmit', '-p', '.']],
  ['format and lint', 'biome', ['ci', '--error-on-warnings', '.']],
  ['dependency rule', 'depcruise', [...sources, '--config', '.dependency-cruiser.cjs', '--output-type', 'err']],
  ['unused code', 'knip', ['--no-progress', '--no-config-hints']],
  ['tidiness', 'tsx', ['scripts/tidy.ts']],
];

const failed: string[] = [];
for (const [name, program, args] of checks) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(path.join(root, 'node_modules', '.bin', program), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'}  ${name} (${seconds} s)\n`);
  if (status === 0) continue;
  failed.push(name);
  process.stdout.write(`${stdout}${stderr}\n`);
}
process.stdout.write(failed.length === 0 ? 'all checks passed\n' : `failed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
