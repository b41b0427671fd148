import { cancelBacktest } from '../../control-versions/cancel-backtest';
import { BACKTEST_STATES, type BacktestRow, listBacktests, showBacktest } from '../../control-versions/read-backtests';
import type { FlipTally, Tally } from '../../control-versions/rules/backtest';
import { startBacktest } from '../../control-versions/start-backtest';
import { formatId } from '../../shared/ids';
import { usdDocument } from '../../shared/money-document';
import { ratioText } from '../../shared/ratio';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, optionalId, timestampView } from '../schemas/common';
import { instant, listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const tallyView = z.strictObject({ count: z.int(), amount: moneyView }).openapi('Tally');
const flipsView = z.strictObject({ approved_to_declined: tallyView, declined_to_approved: tallyView });
const answersView = z.strictObject({ approved: tallyView, declined: tallyView });
const idsView = z.array(idView('authorization'));

const backtestView = z
  .strictObject({
    id: idView('backtest'),
    control_version_id: idView('controlVersion'),
    state: z.enum(BACKTEST_STATES),
    from: timestampView,
    before: timestampView,
    progress: z
      .string()
      .openapi({ example: '0.4321', description: 'How much of the period has been gone through, from 0 to 1.' }),
    examined: z.int(),
    replayed: z.int().openapi({ description: 'Decisions that were taken again under the draft.' }),
    stored: answersView.openapi({ description: 'What was answered. Of declined ones the amount that was asked for.' }),
    draft: answersView.openapi({ description: 'What the draft would have answered.' }),
    approved_to_declined: tallyView,
    declined_to_approved: tallyView,
    amount_changed: tallyView.openapi({
      description: 'Approved by both, for another amount; here the amount of the draft.',
    }),
    newly_declined_by_reason: z.record(z.string(), tallyView),
    newly_approved_by_reason: z
      .record(z.string(), tallyView)
      .openapi({ description: 'By why they had been declined.' }),
    by_merchant_group: z.record(z.string(), flipsView),
    by_day: z.record(z.string(), flipsView).openapi({ description: 'By day of UTC.' }),
    samples: z
      .strictObject({ approved_to_declined: idsView, declined_to_approved: idsView, amount_changed: idsView })
      .openapi({ description: 'The first 50 authorizations of each sort.' }),
    not_replayed: z.record(z.string(), z.int()).openapi({
      description:
        'How many decisions could not be taken again, and why: `inputs_missing`, `answered_otherwise` (late or repeated), `rules_changed`. They stand as they were.',
    }),
    created_by: idView('apiKey').nullable(),
    created_at: timestampView,
    started_at: timestampView.nullable(),
    finished_at: timestampView.nullable(),
  })
  .openapi('Backtest');

function tallyOf({ count, amount }: Tally): z.input<typeof tallyView> {
  return { count, amount: usdDocument(BigInt(amount)) };
}

function flipsOf(flips: FlipTally): z.input<typeof flipsView> {
  return {
    approved_to_declined: tallyOf(flips.approved_to_declined),
    declined_to_approved: tallyOf(flips.declined_to_approved),
  };
}

function tableOf<From, To>(table: Readonly<Record<string, From>>, view: (entry: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(table).map(([name, entry]) => [name, view(entry)]));
}

/** The part of the period that lies behind, four decimals. */
function progressOf({ period_from: from, period_before: before, cursor_at: at }: BacktestRow): string {
  const passed = at === null ? 0 : at.getTime() - from.getTime();
  return ratioText(BigInt(Math.max(passed, 0)), BigInt(before.getTime() - from.getTime())) ?? '0.0000';
}

function backtestOf(row: BacktestRow): z.input<typeof backtestView> {
  const { result } = row;
  const answersOf = (answers: typeof result.stored) => ({
    approved: tallyOf(answers.approved),
    declined: tallyOf(answers.declined),
  });
  const ids = (uuids: readonly string[]) => uuids.map((uuid) => formatId('authorization', uuid));
  return {
    id: formatId('backtest', row.id),
    control_version_id: formatId('controlVersion', row.control_version_id),
    state: row.state,
    from: row.period_from.toISOString(),
    before: row.period_before.toISOString(),
    progress: progressOf(row),
    examined: row.examined,
    replayed: result.replayed,
    stored: answersOf(result.stored),
    draft: answersOf(result.draft),
    approved_to_declined: tallyOf(result.approved_to_declined),
    declined_to_approved: tallyOf(result.declined_to_approved),
    amount_changed: tallyOf(result.amount_changed),
    newly_declined_by_reason: tableOf(result.newly_declined_by_reason, tallyOf),
    newly_approved_by_reason: tableOf(result.newly_approved_by_reason, tallyOf),
    by_merchant_group: tableOf(result.by_merchant_group, flipsOf),
    by_day: tableOf(result.by_day, flipsOf),
    samples: {
      approved_to_declined: ids(result.samples.approved_to_declined),
      declined_to_approved: ids(result.samples.declined_to_approved),
      amount_changed: ids(result.samples.amount_changed),
    },
    not_replayed: { ...result.not_replayed },
    created_by: optionalId('apiKey', row.created_by),
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}

function viewed(result: Result<BacktestRow, Refusal>): Result<z.input<typeof backtestView>, Refusal> {
  return result.ok ? ok(backtestOf(result.value)) : result;
}

const params = z.strictObject({ backtest_id: idInput('backtest') });
const tag = 'Control versions';
const write = { kind: 'organization', scope: 'controls:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

export function backtestRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/control-versions/{control_version_id}/backtests',
      operationId: 'startBacktest',
      summary: 'What a version would have answered to the authorizations of a period',
      description:
        'Decides them again with the inputs of their receipts and the document of this version; limits and velocity are counted along the history that it would have made. Changes nothing. At most 92 days.',
      tag,
      access: write,
      params: z.strictObject({ control_version_id: idInput('controlVersion') }),
      body: z.strictObject({
        from: instant,
        before: instant.optional().openapi({ description: 'Until now when left out.' }),
      }),
      status: 202,
      view: backtestView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { control_version_id }, body }) =>
          viewed(
            await startBacktest(trx, deps, {
              organizationId,
              versionId: control_version_id,
              from: body.from,
              before: body.before ?? null,
              createdBy: caller?.apiKeyId ?? null,
            }),
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/backtests',
      operationId: 'listBacktests',
      summary: 'Backtests, newest first',
      tag,
      access: read,
      query: listQuery('backtest', {
        control_version_id: idInput('controlVersion').optional(),
        state: z.enum(BACKTEST_STATES).optional(),
      }),
      status: 200,
      view: listView(backtestView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listBacktests(trx, {
            organizationId,
            versionId: query.control_version_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, backtestOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/backtests/{backtest_id}',
      operationId: 'getBacktest',
      summary: 'A backtest with its progress and what it has found so far',
      tag,
      access: read,
      params,
      status: 200,
      view: backtestView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { backtest_id } }) =>
          viewed(await showBacktest(trx, { organizationId, backtestId: backtest_id })),
      },
    }),
    route({
      method: 'post',
      path: '/v1/backtests/{backtest_id}/cancel',
      operationId: 'cancelBacktest',
      summary: 'Cancel a backtest that is under way',
      tag,
      access: write,
      params,
      status: 200,
      view: backtestView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { backtest_id } }) =>
          viewed(await cancelBacktest(trx, deps, { organizationId, backtestId: backtest_id })),
      },
    }),
  ];
}
