import { changeControls } from '../../control-versions/change-controls';
import { createProgram, type ProgramWithPolicy } from '../../programs/create-program';
import { listPrograms } from '../../programs/list-programs';
import type { PolicyPatch } from '../../programs/rules/policy-patch';
import { setAuthorizationPath } from '../../programs/set-authorization-path';
import { setProgramState } from '../../programs/set-program-state';
import { showProgram } from '../../programs/show-program';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, textInput, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { policyPatch, policyView } from '../schemas/policy';
import { policyOf } from '../schemas/policy-of';
import { switchBody } from '../schemas/switch';
import { z } from '../schemas/zod';

const authorizationPath = z.enum(['direct', 'workflow']).openapi({
  description:
    '`direct`: requests are answered in the process that takes them. `workflow`: by the durable workflow that follows the ' +
    'purchase, with the direct path standing in where it does not answer in time. The answer is the same.',
});

const programView = z
  .strictObject({
    id: idView('program'),
    name: z.string(),
    state: z.enum(['active', 'disabled']),
    state_reason: z.string().nullable().openapi({ description: 'Why the switch was last turned, in your own words.' }),
    currency: z.string(),
    processor: z.string(),
    authorization_path: authorizationPath,
    policy_version: z.int(),
    policy: policyView,
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('Program');

function programOf({ program, policy }: ProgramWithPolicy): z.input<typeof programView> {
  return {
    id: formatId('program', program.id),
    name: program.name,
    state: program.state,
    state_reason: program.state_reason,
    currency: program.currency,
    processor: program.processor,
    authorization_path: program.authorization_path,
    policy_version: program.policy_version,
    policy: policyOf(policy),
    created_at: program.created_at.toISOString(),
    updated_at: program.updated_at.toISOString(),
  };
}

function shown(result: Result<ProgramWithPolicy, Refusal>): Result<z.input<typeof programView>, Refusal> {
  return result.ok ? ok(programOf(result.value)) : result;
}

const params = z.strictObject({ program_id: idInput('program') });
const tag = 'Programs';
const write = { kind: 'organization', scope: 'programs:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

export function programRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/programs',
      operationId: 'createProgram',
      summary: 'Open a card program',
      description: 'The policy begins with sensible defaults; send only what should differ.',
      tag,
      access: write,
      body: z.strictObject({ name: textInput(120), policy: policyPatch.optional() }),
      status: 201,
      view: programView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) =>
          shown(
            await createProgram(trx, deps, { organizationId, name: body.name, policy: toPatch(body.policy ?? {}) }),
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/programs',
      operationId: 'listPrograms',
      summary: 'Programs, newest first',
      tag,
      access: read,
      query: listQuery('program', { state: z.enum(['active', 'disabled']).optional() }),
      status: 200,
      view: listView(programView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listPrograms(trx, { organizationId, state: query.state, page: toPageRequest(query) });
          return ok(toListView(page, programOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/programs/{program_id}',
      operationId: 'getProgram',
      summary: 'A program with its current policy',
      tag,
      access: read,
      params,
      status: 200,
      view: programView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { program_id } }) =>
          shown(await showProgram(trx, { organizationId, programId: program_id })),
      },
    }),
    route({
      method: 'patch',
      path: '/v1/programs/{program_id}',
      operationId: 'updateProgram',
      summary: 'Choose the path on which authorizations of a program are answered',
      description: 'Takes effect within about a second.',
      tag,
      access: write,
      params,
      body: z.strictObject({ authorization_path: authorizationPath }),
      status: 200,
      view: programView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { program_id }, body }) =>
          shown(
            await setAuthorizationPath(trx, { organizationId, programId: program_id, path: body.authorization_path }),
          ),
      },
    }),
    route({
      method: 'put',
      path: '/v1/programs/{program_id}/policy',
      operationId: 'changeProgramPolicy',
      summary: 'Change the policy of a program',
      description:
        'Drafts and promotes at once: stores a new version; decisions taken before keep naming theirs. Drafts that wait to be tried out are made at /v1/control-versions.',
      tag,
      access: write,
      params,
      body: policyPatch,
      status: 200,
      view: programView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { program_id }, body }) => {
          const changed = await changeControls(trx, deps, {
            organizationId,
            wanted: { kind: 'program', programId: program_id, patch: toPatch(body) },
            note: '',
            createdBy: caller?.apiKeyId ?? null,
          });
          return changed.ok ? shown(await showProgram(trx, { organizationId, programId: program_id })) : changed;
        },
      },
    }),
    ...(['enable', 'disable'] as const).map((verb) =>
      route({
        method: 'post',
        path: `/v1/programs/{program_id}/${verb}`,
        operationId: `${verb}Program`,
        summary: verb === 'enable' ? 'Switch a program on' : 'Switch a program off: every authorization is declined',
        tag,
        access: write,
        params,
        body: switchBody,
        status: 200,
        view: programView,
        handler: {
          kind: 'write',
          run: async (trx, { organizationId }, { params: { program_id }, body }) =>
            shown(
              await setProgramState(trx, {
                organizationId,
                programId: program_id,
                state: verb === 'enable' ? 'active' : 'disabled',
                reason: body.reason,
              }),
            ),
        },
      }),
    ),
  ];
}

function toPatch(body: z.output<typeof policyPatch>): PolicyPatch {
  return body;
}
