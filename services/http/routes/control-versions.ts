import { discardControls } from '../../control-versions/discard-controls';
import { draftControls } from '../../control-versions/draft-controls';
import { promoteControls } from '../../control-versions/promote-controls';
import {
  type ComparedVersion,
  type ControlVersionRow,
  listControlVersions,
  showControlVersion,
} from '../../control-versions/read-versions';
import { rollBackControls } from '../../control-versions/roll-back-controls';
import { type ControlScope, SCOPE_KINDS } from '../../control-versions/rules/control-scope';
import { VERSION_STATES } from '../../control-versions/rules/version-state';
import type { WantedControls } from '../../control-versions/wanted-controls';
import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { err, ok, type Result } from '../../shared/result';
import { Problem } from '../problem';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, optionalId, textInput, timestampView } from '../schemas/common';
import { cardControls, controls, toControls } from '../schemas/controls';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { policyPatch, policyView } from '../schemas/policy';
import { policyOf } from '../schemas/policy-of';
import { z } from '../schemas/zod';

const versionFields = {
  id: idView('controlVersion'),
  scope: z.enum(SCOPE_KINDS),
  program_id: idView('program').nullable(),
  account_id: idView('account').nullable(),
  card_id: idView('card').nullable(),
  version: z.int().openapi({ description: 'Counts the versions of this program, account or card.' }),
  state: z.enum(VERSION_STATES).openapi({
    description:
      '`active`: in force. `scheduled`: promoted; what is tighter is in force, the rest takes effect at `effective_at`.',
  }),
  policy: policyView.nullable(),
  controls: controls.nullable(),
  note: z.string(),
  base_version: z.int().nullable().openapi({ description: 'The newest promoted version when this one was drafted.' }),
  restores_version: z.int().nullable(),
  created_by: idView('apiKey').nullable(),
  promoted_by: idView('apiKey').nullable(),
  created_at: timestampView,
  promoted_at: timestampView.nullable(),
  effective_at: timestampView.nullable(),
  applied_version: z.int().nullable().openapi({
    description: '`policy_version` of the program, or `controls_version` of the account or card, that it became.',
  }),
};

const versionView = z.strictObject(versionFields).openapi('ControlVersion');

const comparedView = z
  .strictObject({
    ...versionFields,
    active_version: z.int().nullable(),
    diff: z
      .array(z.strictObject({ pointer: z.string(), from: z.unknown(), to: z.unknown() }))
      .openapi({ description: 'From the active version to this one; null where a value is not there.' }),
  })
  .openapi('ComparedControlVersion');

function versionOf(row: ControlVersionRow): z.input<typeof versionView> {
  const idOf = (kind: ControlScope['kind']) => (row.scope_kind === kind ? formatId(kind, row.scope_id) : null);
  return {
    id: formatId('controlVersion', row.id),
    scope: row.scope_kind,
    program_id: idOf('program'),
    account_id: idOf('account'),
    card_id: idOf('card'),
    version: row.version,
    state: row.state,
    policy: row.scope_kind === 'program' ? policyOf(row.document as ProgramPolicy) : null,
    controls: row.scope_kind === 'program' ? null : (row.document as z.input<typeof controls>),
    note: row.note,
    base_version: row.base_version,
    restores_version: row.restores_version,
    created_by: optionalId('apiKey', row.created_by),
    promoted_by: optionalId('apiKey', row.promoted_by),
    created_at: row.created_at.toISOString(),
    promoted_at: row.promoted_at?.toISOString() ?? null,
    effective_at: row.effective_at?.toISOString() ?? null,
    applied_version: row.applied_version,
  };
}

function viewed(result: Result<ControlVersionRow, Refusal>): Result<z.input<typeof versionView>, Refusal> {
  return result.ok ? ok(versionOf(result.value)) : result;
}

function comparedOf({ version, activeVersion, diff }: ComparedVersion): z.input<typeof comparedView> {
  return { ...versionOf(version), active_version: activeVersion, diff: [...diff] };
}

const note = textInput(500).optional().openapi({ description: 'Why, in your own words; no personal data.' });

const draftBody = z.discriminatedUnion('scope', [
  z.strictObject({ scope: z.literal('program'), program_id: idInput('program'), policy: policyPatch, note }),
  z.strictObject({ scope: z.literal('account'), account_id: idInput('account'), controls, note }),
  z.strictObject({ scope: z.literal('card'), card_id: idInput('card'), controls: cardControls, note }),
]);

function wantedOf(body: z.output<typeof draftBody>): WantedControls {
  switch (body.scope) {
    case 'program':
      return { kind: 'program', programId: body.program_id, patch: body.policy };
    case 'account':
      return { kind: 'account', accountId: body.account_id, controls: toControls(body.controls) };
    case 'card':
      return { kind: 'card', cardId: body.card_id, controls: toControls(body.controls) };
  }
}

/** Refusals about a policy point into the policy; here it is a member of the body. */
function belowPolicy<T>(result: Result<T, Refusal>): Result<T, Refusal> {
  if (result.ok || result.error.pointer === undefined) return result;
  return err({ ...result.error, pointer: `/policy${result.error.pointer}` });
}

interface ScopeFilter {
  readonly program_id?: string | undefined;
  readonly account_id?: string | undefined;
  readonly card_id?: string | undefined;
}

function scopeOf(query: ScopeFilter): ControlScope | undefined {
  const scopes = SCOPE_KINDS.flatMap((kind): ControlScope[] => {
    const id = query[`${kind}_id`];
    return id === undefined ? [] : [{ kind, id }];
  });
  if (scopes.length <= 1) return scopes[0];
  throw new Problem('invalid_request', 'program_id, account_id and card_id exclude each other: send one of them', [
    { parameter: `${scopes[1]?.kind}_id`, code: 'excluded', detail: `excluded by ${scopes[0]?.kind}_id` },
  ]);
}

const params = z.strictObject({ control_version_id: idInput('controlVersion') });
const tag = 'Control versions';
const write = { kind: 'organization', scope: 'controls:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

export function controlVersionRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/control-versions',
      operationId: 'draftControls',
      summary: 'Draft rules for a program, an account or a card',
      description:
        'Changes nothing until it is promoted. For a program send a change of its policy, for accounts and cards the whole new controls.',
      tag,
      access: write,
      body: draftBody,
      status: 201,
      view: versionView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { body }) =>
          viewed(
            belowPolicy(
              await draftControls(trx, deps, {
                organizationId,
                wanted: wantedOf(body),
                note: body.note ?? '',
                createdBy: caller?.apiKeyId ?? null,
              }),
            ),
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/control-versions',
      operationId: 'listControlVersions',
      summary: 'Versions of rules, newest first',
      description: 'The history of a program, account or card begins with its first change.',
      tag,
      access: read,
      query: listQuery('controlVersion', {
        program_id: idInput('program').optional(),
        account_id: idInput('account').optional(),
        card_id: idInput('card').optional(),
        state: z.enum(VERSION_STATES).optional(),
      }),
      status: 200,
      view: listView(versionView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listControlVersions(trx, {
            organizationId,
            scope: scopeOf(query),
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, versionOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/control-versions/{control_version_id}',
      operationId: 'getControlVersion',
      summary: 'A version, and where it differs from the active one',
      tag,
      access: read,
      params,
      status: 200,
      view: comparedView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { control_version_id } }) => {
          const shown = await showControlVersion(trx, { organizationId, versionId: control_version_id });
          return shown.ok ? ok(comparedOf(shown.value)) : shown;
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/control-versions/{control_version_id}/promote',
      operationId: 'promoteControls',
      summary: 'Put a draft in force',
      description:
        'A policy applies at once. Of controls, what is tighter applies at once and what is looser after the cooling-off of the program. 409 when a newer version was promoted since the draft was made, or the version that it was made on was discarded, unless `force` is true.',
      tag,
      access: write,
      params,
      body: z.strictObject({ force: z.boolean().default(false) }).default({ force: false }),
      status: 200,
      view: versionView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { control_version_id }, body }) =>
          viewed(
            await promoteControls(trx, deps, {
              organizationId,
              versionId: control_version_id,
              force: body.force,
              promotedBy: caller?.apiKeyId ?? null,
            }),
          ),
      },
    }),
    route({
      method: 'post',
      path: '/v1/control-versions/{control_version_id}/roll-back',
      operationId: 'rollBackControls',
      summary: 'Put the document of an older version in force again, as a new version',
      description: 'A change like any other: what it loosens waits for the cooling-off. Answers with the new version.',
      tag,
      access: write,
      params,
      body: z.strictObject({ note }).default({}),
      status: 201,
      view: versionView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { control_version_id }, body }) =>
          viewed(
            await rollBackControls(trx, deps, {
              organizationId,
              versionId: control_version_id,
              note: body.note ?? '',
              promotedBy: caller?.apiKeyId ?? null,
            }),
          ),
      },
    }),
    route({
      method: 'post',
      path: '/v1/control-versions/{control_version_id}/discard',
      operationId: 'discardControls',
      summary: 'Discard a draft, or what of a scheduled version still waits',
      tag,
      access: write,
      params,
      status: 200,
      view: versionView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { control_version_id } }) =>
          viewed(
            await discardControls(trx, deps, {
              organizationId,
              versionId: control_version_id,
              discardedBy: caller?.apiKeyId ?? null,
            }),
          ),
      },
    }),
  ];
}
