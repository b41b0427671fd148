import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { API_VERSIONS } from './middleware/api-version';
import type { AnyRoute } from './route';
import { z } from './schemas/zod';

const problemView = z
  .strictObject({
    type: z.string().openapi({ format: 'uri' }),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    errors: z
      .array(
        z.strictObject({
          pointer: z.string().optional().openapi({ description: 'JSON pointer into the body.' }),
          parameter: z.string().optional().openapi({ description: 'Name of a query or path parameter.' }),
          header: z.string().optional(),
          code: z.string(),
          detail: z.string(),
        }),
      )
      .optional(),
    request_id: z.string(),
  })
  .openapi('Problem', { description: 'Problem details (RFC 9457). `detail` says how to mend it.' });

type ParameterSchema = NonNullable<RouteConfig['request']>['params'];

/** The OpenAPI 3.1 document, made of the same schemas that validate the requests. */
export function openApiDocument(routes: readonly AnyRoute[], publicUrl: string): object {
  const registry = new OpenAPIRegistry();
  const apiKey = registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of an organization: `esk_test_…` or `esk_live_…`.',
  });
  const operatorKey = registry.registerComponent('securitySchemes', 'operatorKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'The key of whoever runs this installation.',
  });
  registry.register('Problem', problemView);
  for (const route of routes) {
    const security = route.access.kind === 'organization' ? apiKey : operatorKey;
    registry.registerPath(pathOf(route, security.name));
  }
  const document = new OpenApiGeneratorV31(registry.definitions, { sortComponents: 'alphabetically' }).generateDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Escudo',
        version: API_VERSIONS[0],
        description:
          'Card programs that spend crypto: every purchase funded by selling just enough stablecoin, by a loan against collateral, or both.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: publicUrl }],
      tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    },
  );
  return withNullableReferences(document) as object;
}

/**
 * The generator writes a named schema that may be null as all of the schema and "object or null", which no null satisfies.
 * Here it becomes the schema or null.
 */
function withNullableReferences(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withNullableReferences);
  if (typeof node !== 'object' || node === null) return node;
  const { allOf, ...rest } = Object.fromEntries(
    Object.entries(node).map(([name, value]) => [name, withNullableReferences(value)]),
  );
  if (allOf === undefined) return rest;
  const [named, narrowed, ...more] = allOf as readonly Readonly<Record<string, unknown>>[];
  const { type, ...said } = narrowed ?? {};
  const nullable = more.length === 0 && named?.$ref !== undefined && Array.isArray(type) && type.includes('null');
  return nullable ? { ...rest, ...said, anyOf: [named, { type: 'null' }] } : { ...rest, allOf };
}

function pathOf(route: AnyRoute, security: string): RouteConfig {
  const needsKey = route.method === 'post' && route.handler.kind === 'write';
  const problem = { 'application/problem+json': { schema: problemView } };
  const scope = route.access.kind === 'organization' ? `Scope: \`${route.access.scope}\`.` : '';
  return {
    method: route.method,
    path: route.path,
    operationId: route.operationId,
    summary: route.summary,
    ...describe([route.description, scope]),
    tags: [route.tag],
    security: [{ [security]: [] }],
    request: {
      ...(route.params === undefined ? {} : { params: route.params as ParameterSchema }),
      ...(route.query === undefined ? {} : { query: route.query as ParameterSchema }),
      ...(needsKey ? { headers: idempotencyHeader } : {}),
      ...(route.body === undefined
        ? {}
        : {
            body: {
              required: !route.body.safeParse(undefined).success,
              content: { 'application/json': { schema: route.body } },
            },
          }),
    } as NonNullable<RouteConfig['request']>,
    responses: {
      [route.status]: { description: 'Done', content: { 'application/json': { schema: route.view } } },
      default: { description: 'Refused, with the reason and its mend', content: problem },
    },
  };
}

const idempotencyHeader = z.object({
  'Idempotency-Key': z.string().openapi({
    minLength: 1,
    maxLength: 255,
    description: 'Your own name for this request. The same key and body again get the first answer.',
    example: 'a2f1c9de-0b1f-4c59-9a54-0f4f3a3e1b11',
  }),
});

function describe(parts: readonly (string | undefined)[]): { description?: string } {
  const text = parts.filter((part) => part !== undefined && part !== '').join('\n\n');
  return text === '' ? {} : { description: text };
}
