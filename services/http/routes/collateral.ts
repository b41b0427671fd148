import { showAccount } from '../../accounts/show-account';
import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { pledgeCollateral } from '../../collateral/pledge-collateral';
import {
  type CollateralOperationRow,
  listCollateralOperations,
  showCollateralOperation,
} from '../../collateral/read-collateral-operations';
import { releaseCollateral } from '../../collateral/release-collateral';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { err, ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyInput, moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const STATES = ['requested', 'submitted', 'confirmed', 'failed'] as const;

const operationView = z
  .strictObject({
    id: idView('collateralOperation'),
    account_id: idView('account'),
    kind: z.enum(['pledge', 'release']),
    state: z.enum(STATES),
    amount: moneyView,
    transaction_hash: z.string().nullable(),
    failure: z.string().nullable(),
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('CollateralOperation');

const positionView = z
  .strictObject({
    account_id: idView('account'),
    value: moneyView,
    borrow_limit: moneyView,
    liquidation_limit: moneyView,
    assets: z.array(
      z.strictObject({
        asset: z.string(),
        amount: moneyView,
        value: moneyView,
        price_state: z.enum(['fresh', 'aging', 'stale', 'disputed', 'missing']),
      }),
    ),
  })
  .openapi('CollateralPosition');

function operationOf(assets: AssetCatalog, row: CollateralOperationRow): z.input<typeof operationView> {
  return {
    id: formatId('collateralOperation', row.id),
    account_id: formatId('account', row.account_id),
    kind: row.kind,
    state: row.state,
    amount: moneyJson(assets, row.amount, row.asset),
    transaction_hash: row.transaction_hash,
    failure: row.failure,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** The use cases take asset and amount apart; the body has them in one object. */
function inBody<T>(result: Result<T, Refusal>): Result<T, Refusal> {
  if (result.ok || (result.error.pointer !== '/asset' && result.error.pointer !== '/amount')) return result;
  return err({ ...result.error, pointer: `/amount${result.error.pointer}` });
}

const params = z.strictObject({ account_id: idInput('account') });
const tag = 'Collateral';
const read = { kind: 'organization', scope: 'read' } as const;
const write = { kind: 'organization', scope: 'credit:write' } as const;

const MOVES = [
  {
    verb: 'pledge',
    move: pledgeCollateral,
    summary: 'Pledge funds as collateral',
    description: 'Reserved at once; they count as collateral once the chain has confirmed it.',
  },
  {
    verb: 'release',
    move: releaseCollateral,
    summary: 'Take collateral back into funds',
    description: 'Refused when the loan or an open hold would not be covered any more.',
  },
] as const;

export function collateralRoutes(deps: RouteDeps): AnyRoute[] {
  const { assets } = deps;
  const amount = moneyInput(assets, { kinds: ['crypto'] });
  return [
    route({
      method: 'get',
      path: '/v1/accounts/{account_id}/collateral',
      operationId: 'getCollateral',
      summary: 'What is pledged, what it is worth, and how much may be borrowed on it',
      tag,
      access: read,
      params,
      status: 200,
      view: positionView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id } }) => {
          const shown = await showAccount(trx, deps, { organizationId, accountId: account_id });
          if (!shown.ok) return shown;
          const { collateral, credit, currency } = shown.value;
          const cents = (value: bigint) => moneyJson(assets, value, currency);
          return ok({
            account_id: formatId('account', account_id),
            value: cents(credit.collateralUsd),
            borrow_limit: cents(credit.borrowLimitUsd),
            liquidation_limit: cents(credit.liquidationLimitUsd),
            assets: collateral.map((each) => ({
              asset: each.asset,
              amount: moneyJson(assets, each.amount, each.asset),
              value: cents(each.valueUsd),
              price_state: each.priceState,
            })),
          });
        },
      },
    }),
    ...MOVES.map(({ verb, move, summary, description }) =>
      route({
        method: 'post',
        path: `/v1/accounts/{account_id}/collateral/${verb}`,
        operationId: `${verb}Collateral`,
        summary,
        description,
        tag,
        access: write,
        params,
        body: z.strictObject({ amount }),
        status: 202,
        view: operationView,
        handler: {
          kind: 'write',
          run: async (trx, { organizationId }, { params: { account_id }, body }) => {
            const { asset, amount: units } = body.amount;
            const moved = await move(trx, deps, { organizationId, accountId: account_id, asset, amount: units });
            return moved.ok ? ok(operationOf(assets, moved.value)) : inBody(moved);
          },
        },
      }),
    ),
    route({
      method: 'get',
      path: '/v1/collateral-operations',
      operationId: 'listCollateralOperations',
      summary: 'Pledges and releases, newest first',
      tag,
      access: read,
      query: listQuery('collateralOperation', {
        account_id: idInput('account').optional(),
        state: z.enum(STATES).optional(),
      }),
      status: 200,
      view: listView(operationView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listCollateralOperations(trx, {
            organizationId,
            accountId: query.account_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => operationOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/collateral-operations/{collateral_operation_id}',
      operationId: 'getCollateralOperation',
      summary: 'A pledge or release',
      tag,
      access: read,
      params: z.strictObject({ collateral_operation_id: idInput('collateralOperation') }),
      status: 200,
      view: operationView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { collateral_operation_id } }) => {
          const shown = await showCollateralOperation(trx, { organizationId, operationId: collateral_operation_id });
          return shown.ok ? ok(operationOf(assets, shown.value)) : shown;
        },
      },
    }),
  ];
}
