import { createApiKey } from '../../organizations/create-api-key';
import { createOrganization } from '../../organizations/create-organization';
import {
  type ApiKeyRow,
  getOrganization,
  listApiKeys,
  type OrganizationRow,
} from '../../organizations/read-organizations';
import { revokeApiKey } from '../../organizations/revoke-api-key';
import { API_KEY_SCOPES } from '../../organizations/rules/api-key-scopes';
import { formatId } from '../../shared/ids';
import { type Refusal, refusal } from '../../shared/refusal';
import { err, ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, textInput, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { z } from '../schemas/zod';

const organizationView = z
  .strictObject({
    id: idView('organization'),
    name: z.string(),
    mode: z.enum(['test', 'live']),
    created_at: timestampView,
  })
  .openapi('Organization');

const apiKeyFields = {
  id: idView('apiKey'),
  label: z.string(),
  key_prefix: z
    .string()
    .openapi({ description: 'How the key begins: enough to recognise it.', example: 'esk_test_9f86d081884c7d65' }),
  scopes: z.array(z.string()),
  created_at: timestampView,
  expires_at: timestampView.nullable(),
  revoked_at: timestampView.nullable(),
  last_used_at: timestampView.nullable(),
};

const apiKeyView = z.strictObject(apiKeyFields).openapi('ApiKey');
const newApiKeyView = z
  .strictObject({
    ...apiKeyFields,
    secret: z.string().nullable().openapi({
      description: 'The key itself, shown in this answer only; null when the answer is a replay.',
    }),
  })
  .openapi('NewApiKey');

const apiKeyBody = z.strictObject({
  label: textInput(80),
  scopes: z
    .array(z.enum(API_KEY_SCOPES))
    .min(1)
    .max(API_KEY_SCOPES.length)
    .default([...API_KEY_SCOPES]),
  expires_at: z.iso
    .datetime({ offset: true, error: 'must be an instant such as 2027-01-01T00:00:00Z' })
    .nullable()
    .default(null),
});

type ModeOf = (organizationId: string) => Promise<OrganizationRow | undefined>;

function organizationOf(row: OrganizationRow): z.input<typeof organizationView> {
  return {
    id: formatId('organization', row.id),
    name: row.name,
    mode: row.mode,
    created_at: row.created_at.toISOString(),
  };
}

function apiKeyOf(row: ApiKeyRow, mode: string): z.input<typeof apiKeyView> {
  return {
    id: formatId('apiKey', row.id),
    label: row.label,
    key_prefix: `esk_${mode}_${row.key_id}`,
    scopes: [...row.scopes],
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
  };
}

async function withMode<T>(
  find: ModeOf,
  organizationId: string,
  view: (mode: string) => T,
): Promise<Result<T, Refusal>> {
  const organization = await find(organizationId);
  if (organization === undefined) return err(refusal('not_found', 'there is no organization with this id'));
  return ok(view(organization.mode));
}

export function organizationRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/organizations',
      operationId: 'createOrganization',
      summary: 'Open an organization with its first API key',
      tag: 'Organizations',
      access: { kind: 'operator', tenant: 'new' },
      body: z.strictObject({ name: textInput(120), mode: z.enum(['test', 'live']).default('test') }),
      status: 201,
      view: z.strictObject({ organization: organizationView, api_key: newApiKeyView }),
      handler: {
        kind: 'write',
        forReplay: (view) => ({ ...view, api_key: { ...view.api_key, secret: null } }),
        async run(trx, { organizationId }, { body }) {
          const organization = await createOrganization(trx, { organizationId, ...body });
          const key = await createApiKey(trx, deps, {
            organizationId,
            label: 'first key',
            scopes: API_KEY_SCOPES,
            expiresAt: null,
          });
          if (!key.ok) return key;
          const api_key = { ...apiKeyOf(key.value.row, organization.mode), secret: key.value.secret };
          return ok({ organization: organizationOf(organization), api_key });
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/organizations/{organization_id}/api-keys',
      operationId: 'createApiKeyAsOperator',
      summary: 'Create an API key for an organization that has lost its own',
      tag: 'Organizations',
      access: { kind: 'operator', tenant: 'path' },
      params: z.strictObject({ organization_id: idInput('organization') }),
      body: apiKeyBody,
      status: 201,
      view: newApiKeyView,
      handler: {
        kind: 'write',
        forReplay: (view) => ({ ...view, secret: null }),
        run: (trx, { organizationId }, { body }) => newKey(deps, trx, organizationId, body),
      },
    }),
    route({
      method: 'get',
      path: '/v1/organization',
      operationId: 'getOrganization',
      summary: 'The organization this key belongs to',
      tag: 'Organizations',
      access: { kind: 'organization', scope: 'read' },
      status: 200,
      view: organizationView,
      handler: {
        kind: 'read',
        async run(trx, { organizationId }) {
          const row = await getOrganization(trx, organizationId);
          return row === undefined
            ? err(refusal('not_found', 'there is no such organization'))
            : ok(organizationOf(row));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/api-keys',
      operationId: 'listApiKeys',
      summary: 'API keys, without their secrets',
      tag: 'API keys',
      access: { kind: 'organization', scope: 'read' },
      query: listQuery('apiKey', {}),
      status: 200,
      view: listView(apiKeyView),
      handler: {
        kind: 'read',
        async run(trx, { organizationId }, { query }) {
          const page = await listApiKeys(trx, organizationId, toPageRequest(query));
          return withMode(
            (id) => getOrganization(trx, id),
            organizationId,
            (mode) => toListView(page, (row) => apiKeyOf(row, mode)),
          );
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/api-keys',
      operationId: 'createApiKey',
      summary: 'Create an API key',
      description: 'Several keys may be valid at once, so that one can be replaced without a gap.',
      tag: 'API keys',
      access: { kind: 'organization', scope: 'api_keys:write' },
      body: apiKeyBody,
      status: 201,
      view: newApiKeyView,
      handler: {
        kind: 'write',
        forReplay: (view) => ({ ...view, secret: null }),
        run: (trx, { organizationId, caller }, { body }) => {
          const missing = body.scopes.filter((scope) => !caller?.scopes.includes(scope));
          if (missing.length > 0) {
            const detail = `a key cannot give what it lacks itself: ${missing.join(', ')}`;
            return Promise.resolve(err(refusal('invalid_parameter', detail, '/scopes')));
          }
          return newKey(deps, trx, organizationId, body);
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/api-keys/{api_key_id}/revoke',
      operationId: 'revokeApiKey',
      summary: 'Revoke an API key',
      tag: 'API keys',
      access: { kind: 'organization', scope: 'api_keys:write' },
      params: z.strictObject({ api_key_id: idInput('apiKey') }),
      status: 200,
      view: apiKeyView,
      handler: {
        kind: 'write',
        async run(trx, { organizationId }, { params }) {
          const revoked = await revokeApiKey(trx, deps, { organizationId, apiKeyId: params.api_key_id });
          if (!revoked.ok) return revoked;
          return withMode(
            (id) => getOrganization(trx, id),
            organizationId,
            (mode) => apiKeyOf(revoked.value, mode),
          );
        },
      },
    }),
  ];
}

async function newKey(
  deps: RouteDeps,
  trx: Parameters<typeof createApiKey>[0],
  organizationId: string,
  body: z.output<typeof apiKeyBody>,
): Promise<Result<z.input<typeof newApiKeyView>, Refusal>> {
  const created = await createApiKey(trx, deps, {
    organizationId,
    label: body.label,
    scopes: body.scopes,
    expiresAt: body.expires_at === null ? null : new Date(body.expires_at),
  });
  if (!created.ok) return created;
  const { row, secret } = created.value;
  return withMode(
    (id) => getOrganization(trx, id),
    organizationId,
    (mode) => ({ ...apiKeyOf(row, mode), secret }),
  );
}
