import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { anvilArguments } from '../../embedded/anvil';
import {
  composeEnvironmentFile,
  composeReference,
  composeSurroundings,
  passwordVariable,
} from '../../embedded/compose-surroundings';
import { databaseRoles } from '../../embedded/database-roles';
import { entryCommand, migration, processTable, serviceNames } from '../../embedded/process-table';
import { newSecrets } from '../../embedded/secrets';
import { required } from '../../services/shared/assert';

const root = path.resolve(__dirname, '../..');

const serviceSchema = z.object({
  image: z.string(),
  build: z.object({ context: z.literal('.'), target: z.enum(['runtime', 'sandbox']) }).optional(),
  command: z.array(z.string()).optional(),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  depends_on: z
    .record(z.string(), z.object({ condition: z.enum(['service_healthy', 'service_completed_successfully']) }))
    .optional(),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  restart: z.string().optional(),
  user: z.string().optional(),
});
const text = readFileSync(path.join(root, 'docker-compose.yml'), 'utf8');
const compose = z
  .object({
    name: z.literal('escudo'),
    services: z.record(z.string(), z.strictObject(serviceSchema.shape)),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(text));

function service(name: string) {
  return required(compose.services[name], `service ${name} in docker-compose.yml`);
}

test.each(serviceNames)('%s runs the command and environment of the embedded stack', (name) => {
  const definition = processTable[name];
  expect(service(name).command).toEqual(entryCommand(definition.entry, 'image'));
  expect(service(name).environment).toEqual(definition.env(composeSurroundings));
});

test.each(serviceNames)('%s is healthy when the address answers that the embedded stack waits for', (name) => {
  const { health } = processTable[name];
  const url = `http://127.0.0.1:${health.endpoint(composeSurroundings).port}${health.path}`;
  expect(service(name).healthcheck?.test.join(' ')).toContain(`fetch('${url}')`);
});

test('image and checkout run the same entry, which exists', () => {
  for (const entry of [...serviceNames.map((name) => processTable[name].entry), migration.entry]) {
    expect(existsSync(path.join(root, `${entry}.ts`))).toBe(true);
    expect(entryCommand(entry, 'image').at(-1)).toBe(`dist/${entry}.js`);
    expect(entryCommand(entry, 'checkout').at(-1)).toBe(`${entry}.ts`);
  }
});

test('the migrations run as the embedded stack runs them, on a prepared database', () => {
  expect(service('migrate').command).toEqual(entryCommand(migration.entry, 'image'));
  expect(service('migrate').environment).toEqual(migration.env(composeSurroundings.databaseUrls));
  expect(service('migrate').depends_on).toEqual({
    'prepare-database': { condition: 'service_completed_successfully' },
  });
  for (const role of databaseRoles) {
    expect(service('prepare-database').environment?.[passwordVariable(role)]).toBe(
      composeReference(passwordVariable(role)),
    );
  }
});

test('the chain runs with the arguments of the embedded stack', () => {
  expect(service('anvil').entrypoint).toEqual(['anvil']);
  expect(service('anvil').command).toEqual(
    anvilArguments({ host: '0.0.0.0', port: 8545, stateFile: '/chain/state.json' }),
  );
});

test('versions of images are pinned, and those of the database and of Temporal are the ones we support', () => {
  expect(service('postgres').image).toMatch(/^postgres:18/);
  expect(service('temporal').image).toMatch(/^temporalio\/server:1\.31\.\d+$/);
  expect(service('temporal-schema').image).toMatch(/^temporalio\/admin-tools:1\.31\.\d+$/);
  for (const { image, build } of Object.values(compose.services)) {
    if (build === undefined) expect(image).toMatch(/:v?\d/);
    expect(image).not.toMatch(/auto-setup|latest/);
  }
});

test('whoever is waited for exists, and has a health check where its health is waited for', () => {
  for (const { depends_on } of Object.values(compose.services)) {
    for (const [name, { condition }] of Object.entries(depends_on ?? {})) {
      const other = service(name);
      if (condition === 'service_healthy') expect(other.healthcheck).toBeDefined();
      else expect(other.restart).toBeUndefined();
    }
  }
});

test('files and volumes that are mounted exist, and nothing is published beyond this machine', () => {
  for (const { volumes = [], ports = [] } of Object.values(compose.services)) {
    for (const volume of volumes) {
      const source = required(volume.split(':')[0], 'source');
      if (source.startsWith('./')) expect(existsSync(path.join(root, source))).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  }
  const dynamicConfig = path.basename(service('temporal').environment?.DYNAMIC_CONFIG_FILE_PATH ?? '');
  expect(existsSync(path.join(root, 'deploy/temporal', dynamicConfig))).toBe(true);
});

test('.env carries every variable that is required, and no secret stands in the file itself', () => {
  const secrets = newSecrets();
  const written = new Set(
    composeEnvironmentFile(secrets)
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]),
  );
  const wanted = new Set([...text.matchAll(/\$\{(\w+)/g)].map((match) => match[1]));
  expect(written).toEqual(wanted);
  expect(text).not.toMatch(/whsec_|BEGIN [A-Z ]*KEY/);
});

test('the Dockerfile has the targets that are built, and ends as an unprivileged user', () => {
  const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8');
  for (const { build } of Object.values(compose.services)) {
    if (build !== undefined) expect(dockerfile).toContain(` AS ${build.target}\n`);
  }
  const stages = dockerfile.split(/^FROM /m);
  for (const stage of stages.filter((candidate) => / AS (runtime|sandbox)\n/.test(candidate))) {
    expect(stage).toContain('USER node');
  }
});
