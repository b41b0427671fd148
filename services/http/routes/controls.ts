import { setTimeZone } from '../../accounts/set-time-zone';
import { type ShownControls, showControls } from '../../cards/show-controls';
import { changeControls } from '../../control-versions/change-controls';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, timestampView, timeZoneInput } from '../schemas/common';
import { controls, toControls } from '../schemas/controls';
import { z } from '../schemas/zod';

const controlsView = z
  .strictObject({
    controls: controls.openapi({ description: 'What is in force now.' }),
    controls_version: z.int(),
    pending: z.strictObject({ controls, effective_at: timestampView }).nullable().openapi({
      description: 'What takes the place of `controls` after the cooling-off of the program.',
    }),
  })
  .openapi('ControlsInForce');

type ControlsView = z.input<typeof controlsView>;

function viewed(result: Result<ShownControls, Refusal>): Result<ControlsView, Refusal> {
  if (!result.ok) return result;
  const { controls: inForce, version, pending } = result.value;
  return ok({
    controls: inForce as ControlsView['controls'],
    controls_version: version,
    pending: pending as ControlsView['pending'],
  });
}

const accountParams = z.strictObject({ account_id: idInput('account') });
const tag = 'Controls';
const read = { kind: 'organization', scope: 'read' } as const;
const write = { kind: 'organization', scope: 'accounts:write' } as const;

/** Controls of accounts, and what is in force on a card; programs carry theirs in their policy. */
export function controlRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'get',
      path: '/v1/accounts/{account_id}/controls',
      operationId: 'getAccountControls',
      summary: 'The controls of an account, which all of its cards share',
      tag,
      access: read,
      params: accountParams,
      status: 200,
      view: controlsView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id } }) =>
          viewed(await showControls(trx, deps, { organizationId, scope: 'account', id: account_id })),
      },
    }),
    route({
      method: 'put',
      path: '/v1/accounts/{account_id}/controls',
      operationId: 'updateAccountControls',
      summary: 'Replace the controls of an account',
      description:
        'The whole new set: what is left out is no longer restricted. What is tighter applies at once; what is looser waits for the cooling-off of the program.',
      tag,
      access: write,
      params: accountParams,
      body: controls,
      status: 200,
      view: controlsView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { account_id }, body }) => {
          const changed = await changeControls(trx, deps, {
            organizationId,
            wanted: { kind: 'account', accountId: account_id, controls: toControls(body) },
            note: '',
            createdBy: caller?.apiKeyId ?? null,
          });
          if (!changed.ok) return changed;
          return viewed(await showControls(trx, deps, { organizationId, scope: 'account', id: account_id }));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/cards/{card_id}/controls',
      operationId: 'getCardControls',
      summary: 'The controls of a card, and what waits to take their place',
      tag,
      access: read,
      params: z.strictObject({ card_id: idInput('card') }),
      status: 200,
      view: controlsView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { card_id } }) =>
          viewed(await showControls(trx, deps, { organizationId, scope: 'card', id: card_id })),
      },
    }),
    route({
      method: 'put',
      path: '/v1/accounts/{account_id}/time-zone',
      operationId: 'setTimeZone',
      summary: 'Set by which clock an account’s limits and hours are told',
      description:
        'A day, week, month or year that is open goes on to its end in the zone it began in; the next one follows the new zone. Hours of the week go by it at once.',
      tag,
      access: write,
      params: accountParams,
      body: z.strictObject({ time_zone: timeZoneInput }),
      status: 200,
      view: z.strictObject({ time_zone: z.string() }).openapi('AccountTimeZone'),
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const set = await setTimeZone(trx, { organizationId, accountId: account_id, timeZone: body.time_zone });
          return set.ok ? ok({ time_zone: set.value.time_zone }) : set;
        },
      },
    }),
  ];
}
