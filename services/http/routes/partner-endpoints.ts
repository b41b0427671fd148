import type { Knex } from 'knex';
import { removePartnerEndpoint } from '../../partner-decisions/remove-partner-endpoint';
import { rotatePartnerSecret } from '../../partner-decisions/rotate-partner-secret';
import { type PartnerEndpointRow, setPartnerEndpoint } from '../../partner-decisions/set-partner-endpoint';
import { showPartnerEndpoint } from '../../partner-decisions/show-partner-endpoint';
import { type PartnerTest, testPartnerEndpoint } from '../../partner-decisions/test-partner-endpoint';
import { formatId } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { moneyInput } from '../schemas/money';
import { partnerCause } from '../schemas/partner';
import { z } from '../schemas/zod';

const endpointFields = {
  program_id: idView('program'),
  url: z.string(),
  state: z.enum(['active', 'disabled']),
  secret_version: z.int(),
  previous_secret_expires_at: timestampView
    .nullable()
    .openapi({ description: 'Until then questions carry a signature of the former secret too.' }),
  last_result: z
    .strictObject({
      asked_at: timestampView,
      cause: partnerCause,
      detail: z.string().nullable(),
      latency_ms: z.int(),
    })
    .nullable()
    .openapi({ description: 'The latest question; of several in one second only one is noted.' }),
  breaker: z
    .strictObject({ state: z.enum(['closed', 'open', 'half_open']), changed_at: timestampView.nullable() })
    .openapi({
      description:
        'The circuit breaker as the process that asked last saw it. While it is open you are not asked, and the stand-in rules decide.',
    }),
  created_at: timestampView,
  updated_at: timestampView,
};

const endpointView = z.strictObject(endpointFields).openapi('PartnerEndpoint');
const shownEndpointView = z
  .strictObject({
    ...endpointFields,
    secret: z.string().nullable().openapi({
      description: 'The signing secret, shown once: when it is made. Null otherwise, and in a replay.',
      example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    }),
  })
  .openapi('PartnerEndpointWithSecret');

const testView = z
  .strictObject({
    request_id: z.string(),
    url: z.string(),
    sent: z.string().openapi({ description: 'The body of the question, as it was signed.' }),
    cause: partnerCause,
    detail: z.string().nullable().openapi({ description: 'What is wrong with the answer, or why there is none.' }),
    decision: z.enum(['approve', 'decline']).nullable(),
    reason: z.string().nullable(),
    http_status: z.int().nullable(),
    received: z.string().nullable().openapi({ description: 'The first 500 characters of the answer.' }),
    latency_ms: z.int(),
  })
  .openapi('PartnerEndpointTest');

function endpointOf(row: PartnerEndpointRow): z.input<typeof endpointView> {
  return {
    program_id: formatId('program', row.program_id),
    url: row.url,
    state: row.state,
    secret_version: row.secret_version,
    previous_secret_expires_at: row.previous_secret_expires_at?.toISOString() ?? null,
    last_result:
      row.last_asked_at === null || row.last_cause === null
        ? null
        : {
            asked_at: row.last_asked_at.toISOString(),
            cause: row.last_cause,
            detail: row.last_detail,
            latency_ms: row.last_latency_ms ?? 0,
          },
    breaker: { state: row.breaker_state, changed_at: row.breaker_changed_at?.toISOString() ?? null },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function testOf(test: PartnerTest): z.input<typeof testView> {
  return {
    request_id: test.requestId,
    url: test.url,
    sent: test.sent,
    cause: test.cause,
    detail: test.detail,
    decision: test.answer?.decision ?? null,
    reason: test.answer?.reason ?? null,
    http_status: test.httpStatus,
    received: test.received,
    latency_ms: test.latencyMs,
  };
}

const params = z.strictObject({ program_id: idInput('program') });
const path = '/v1/programs/{program_id}/partner-endpoint';
const tag = 'Programs';
const write = { kind: 'organization', scope: 'programs:write' } as const;

export function partnerEndpointRoutes(
  deps: RouteDeps & { readonly knex: Knex; readonly privateEndpointsAllowed: boolean },
): AnyRoute[] {
  const own = { ...deps, privateAllowed: deps.privateEndpointsAllowed };
  return [
    route({
      method: 'put',
      path,
      operationId: 'setPartnerEndpoint',
      summary: 'Where you are asked for your own decision',
      description:
        'Makes the endpoint, with a signing secret that is shown in this answer only, or changes it. You are asked while the ' +
        'policy has `partner_decision` enabled.',
      tag,
      access: write,
      params,
      body: z.strictObject({
        url: z.string().max(2_000).openapi({ format: 'uri', example: 'https://cards.example.com/decisions' }),
        state: z.enum(['active', 'disabled']).default('active'),
      }),
      status: 200,
      view: shownEndpointView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { program_id }, body }) => {
          const set = await setPartnerEndpoint(trx, own, { organizationId, programId: program_id, ...body });
          return set.ok ? ok({ ...endpointOf(set.value.endpoint), secret: set.value.secret }) : set;
        },
      },
    }),
    route({
      method: 'get',
      path,
      operationId: 'getPartnerEndpoint',
      summary: 'The endpoint, what came of the latest question, and its circuit breaker',
      tag,
      access: { kind: 'organization', scope: 'read' },
      params,
      status: 200,
      view: endpointView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { program_id } }) => {
          const shown = await showPartnerEndpoint(trx, { organizationId, programId: program_id });
          return shown.ok ? ok(endpointOf(shown.value)) : shown;
        },
      },
    }),
    route({
      method: 'delete',
      path,
      operationId: 'removePartnerEndpoint',
      summary: 'Remove the endpoint and its secrets',
      description: 'Answers what was removed. While the policy still has you asked, the stand-in rules decide.',
      tag,
      access: write,
      params,
      status: 200,
      view: endpointView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { program_id } }) => {
          const removed = await removePartnerEndpoint(trx, { organizationId, programId: program_id });
          return removed.ok ? ok(endpointOf(removed.value)) : removed;
        },
      },
    }),
    route({
      method: 'post',
      path: `${path}/rotate-secret`,
      operationId: 'rotatePartnerSecret',
      summary: 'Change the signing secret',
      description: 'For some hours questions carry signatures of both, so that you can change over without a gap.',
      tag,
      access: write,
      params,
      body: z
        .strictObject({
          overlap_hours: z.int().min(0).max(168).default(24).openapi({
            description: '0 ends the former secret at once, as after a leak.',
          }),
        })
        .default({ overlap_hours: 24 }),
      status: 200,
      view: shownEndpointView,
      handler: {
        kind: 'write',
        forReplay: (view) => ({ ...view, secret: null }),
        run: async (trx, { organizationId }, { params: { program_id }, body }) => {
          const rotated = await rotatePartnerSecret(trx, own, {
            organizationId,
            programId: program_id,
            overlapHours: body.overlap_hours,
          });
          return rotated.ok ? ok({ ...endpointOf(rotated.value.endpoint), secret: rotated.value.secret }) : rotated;
        },
      },
    }),
    route({
      method: 'post',
      path: `${path}/test`,
      operationId: 'testPartnerEndpoint',
      summary: 'Ask about a purchase that does not exist, and see what comes back',
      description: 'The question is signed as every other and has `test` set. It decides nothing.',
      tag,
      access: write,
      params,
      body: z
        .strictObject({
          amount: moneyInput(deps.assets, { assets: ['USD'] }).prefault({ amount: '10.00', asset: 'USD' }),
          mcc: z
            .string()
            .regex(/^\d{4}$/, 'must be a merchant category code of four digits')
            .default('5411'),
        })
        .prefault({}),
      status: 200,
      view: testView,
      handler: {
        kind: 'act',
        run: async ({ organizationId }, { params: { program_id }, body }) => {
          const tested = await testPartnerEndpoint(own, {
            organizationId,
            programId: program_id,
            amount: body.amount.amount,
            mcc: body.mcc,
          });
          return tested.ok ? ok(testOf(tested.value)) : tested;
        },
      },
    }),
  ];
}
