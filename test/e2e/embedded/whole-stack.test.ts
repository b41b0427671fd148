import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { type PartName, startStack } from '../../../embedded/stack';
import { startTestStack, wholeStackTimeout } from '../../setup/whole-stack';

let stack: Awaited<ReturnType<typeof startTestStack>>;
const endedByThemselves: PartName[] = [];

beforeAll(async () => {
  stack = await startTestStack({ onUnexpectedExit: (part) => endedByThemselves.push(part) });
}, wholeStackTimeout);

afterAll(async () => {
  await stack?.end();
});

async function createOrganization(name: string): Promise<number> {
  const response = await fetch(`${stack.apiUrl}/v1/organizations`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.secrets.operatorKey}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({ name }),
  });
  return response.status;
}

test('the api is ready and names each of its dependencies', async () => {
  const response = await fetch(`${stack.apiUrl}/readyz`);
  const body = z
    .looseObject({ dependencies: z.array(z.looseObject({ name: z.string(), ok: z.boolean() })) })
    .parse(await response.json());
  expect(response.status).toBe(200);
  expect(body.dependencies.map(({ name, ok }) => [name, ok])).toEqual(
    expect.arrayContaining([
      ['postgresql', true],
      ['temporal', true],
      ['chain', true],
    ]),
  );
  expect(await createOrganization('First')).toBe(201);
});

test('a second stack on the same folder is refused, with the mend', async () => {
  await expect(startStack({ dataDir: stack.folder.root })).rejects.toMatchObject({
    message: expect.stringContaining('another stack is running'),
    remedy: expect.stringContaining('ESCUDO_DATA_DIR'),
  });
  expect((await fetch(`${stack.apiUrl}/livez`)).status).toBe(200);
});

test.each(['worker', 'api', 'anvil', 'temporal', 'off-ramp-vendor'] as const)(
  '%s is killed and starts again on its old address',
  async (part) => {
    const before = stack.process(part).pid;
    await stack.kill(part, 'SIGKILL');
    expect(stack.process(part).isRunning()).toBe(false);
    await stack.start(part);
    expect(stack.process(part).pid).not.toBe(before);
    expect((await fetch(`${stack.apiUrl}/livez`)).status).toBe(200);
  },
  120_000,
);

test('PostgreSQL killed with -9 comes back with what was acknowledged', async () => {
  await stack.kill('postgres', 'SIGKILL');
  await stack.start('postgres');
  expect(await createOrganization('After the crash')).toBe(201);
}, 120_000);

test('a second api serves the same system', async () => {
  const other = await stack.startAnotherApi();
  expect(other.url).not.toBe(stack.apiUrl);
  expect((await fetch(`${other.url}/readyz`)).status).toBe(200);
  await other.process.stop();
}, 120_000);

test('no part ended that nobody asked to', () => {
  expect(endedByThemselves).toEqual([]);
});

test('no log holds a secret of the stack', () => {
  const { databasePasswords, ...others } = stack.secrets;
  const secrets = [...Object.values(databasePasswords), ...Object.values(others)];
  for (const name of [
    'postgres',
    'temporal',
    'anvil',
    'api',
    'worker',
    'card-network',
    'kyc-vendor',
    'off-ramp-vendor',
    'partner',
  ]) {
    const file = path.join(stack.folder.logs, `${name}.log`);
    expect(existsSync(file)).toBe(true);
    const log = readFileSync(file, 'utf8');
    for (const secret of secrets) expect(log.includes(secret)).toBe(false);
  }
});
