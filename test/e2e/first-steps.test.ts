import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { startTestStack, wholeStackTimeout } from '../setup/whole-stack';

const documentation = readFileSync(path.join(__dirname, '../../docs/api.md'), 'utf8');

let stack: Awaited<ReturnType<typeof startTestStack>>;

beforeAll(async () => {
  stack = await startTestStack();
}, wholeStackTimeout);

afterAll(async () => {
  await stack?.end();
});

/** The code of the section, as somebody would paste it, block after block into one shell. */
function firstSteps(): string {
  const section = documentation.split(/^## /m).find((part) => part.startsWith('First steps\n')) ?? '';
  return [...section.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, code]) => code).join('\n');
}

test('the first steps of docs/api.md lead from nothing to a purchase that is paid for', async () => {
  const code = firstSteps();
  expect(code.match(/^reaches |= *\$\(post|^post |^get /gm)?.length).toBeGreaterThan(15);
  const { stdout } = await promisify(execFile)('bash', ['-c', `set -euo pipefail\n${code}`], {
    env: { ...process.env, API: stack.apiUrl, OPERATOR_KEY: stack.secrets.operatorKey },
    timeout: 120_000,
  });
  const lines = stdout.trim().split('\n');
  expect(lines).toEqual([
    expect.stringMatching(/^[a-z_]+$/),
    expect.stringMatching(/^0x[0-9a-fA-F]{40}$/),
    expect.stringMatching(/^0x[0-9a-f]{64}$/),
    // 100 USDC less what is held on top because their price may move.
    '99.50',
    'pending',
    expect.stringContaining('42.50 USD was approved'),
    expect.any(String),
    '42.500000',
    expect.stringContaining('transaction.'),
  ]);
}, 180_000);
