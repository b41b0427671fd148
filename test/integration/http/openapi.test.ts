import SwaggerParser from '@apidevtools/swagger-parser';
import request from 'supertest';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';

interface Operation {
  readonly operationId: string;
  readonly security: readonly Record<string, unknown>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, unknown>> }>>;
}

let tested: ApiUnderTest;
let document: { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };

beforeAll(async () => {
  tested = await startApiUnderTest();
  document = (await request(tested.url).get('/openapi.json').expect(200)).body;
});

afterAll(async () => {
  await tested.end();
});

function operations(): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
}

test('the document is valid OpenAPI 3.1', async () => {
  const copy = JSON.parse(JSON.stringify(document));
  await expect(SwaggerParser.validate(copy)).resolves.toBeDefined();
});

test('a named schema that may be null takes null', () => {
  const text = JSON.stringify(document);
  expect(text).toContain('{"anyOf":[{"$ref":"#/components/schemas/Money"},{"type":"null"}]}');
  // All of an object and of something that may be null is never null.
  expect(text).not.toMatch(/"allOf":\[\{"\$ref":"[^"]+"\},\{"type":\[/);
});

test('every route that answers is documented, and every documented one answers', async () => {
  for (const { method, path } of operations()) {
    const url = path.replaceAll(/\{\w+\}/g, 'x');
    const call = request(tested.url);
    const answer = await call[method as 'get' | 'post' | 'put' | 'patch' | 'delete'](url);
    // Without a key nothing more than that is said; an unknown route would be 404.
    expect({ path, method, status: answer.status }).toEqual({ path, method, status: 401 });
  }
  const undocumented = ['/v1/nothing', '/v1/organizations/x', '/console'];
  for (const url of undocumented) await request(tested.url).get(url).expect(404);
});

test('names are unique, keys and problems are told everywhere, and a POST that changes something asks for its key', () => {
  const all = operations();
  expect(new Set(all.map(({ operation }) => operation.operationId)).size).toBe(all.length);
  expect(all.length).toBeGreaterThan(50);
  for (const { method, path, operation } of all) {
    expect(operation.security).toHaveLength(1);
    expect(operation.responses.default?.content).toHaveProperty(['application/problem+json']);
    const header = operation.parameters?.find((parameter) => parameter.name === 'Idempotency-Key');
    const needsKey =
      method === 'post' &&
      !path.startsWith('/v1/simulate/') &&
      !path.endsWith('/quote') &&
      !path.endsWith('/preview') &&
      !path.endsWith('/partner-endpoint/test') &&
      path !== '/v1/reconciliation';
    expect({ path, method, required: header?.required ?? false }).toEqual({ path, method, required: needsKey });
  }
});

test('without a sandbox there is nothing to simulate', async () => {
  const live = await startApiUnderTest({ SANDBOX_ENABLED: 'false' });
  try {
    const answer = await request(live.url).get('/openapi.json').expect(200);
    expect(Object.keys(answer.body.paths).filter((path) => path.startsWith('/v1/simulate'))).toEqual([]);
    await request(live.url).post('/v1/simulate/blocks').send({ count: 1 }).expect(404);
  } finally {
    await live.end();
  }
});
