import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { type DepositRow, listDeposits, showDeposit } from '../../deposits/read-deposits';
import { formatId } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const STATES = ['seen', 'confirmed', 'credited', 'dropped'] as const;

const depositView = z
  .strictObject({
    id: idView('deposit'),
    account_id: idView('account'),
    state: z.enum(STATES),
    amount: moneyView,
    chain_id: z.int(),
    from_address: z.string(),
    to_address: z.string(),
    transaction_hash: z.string(),
    block_number: z.string(),
    sweep_transaction_hash: z.string().nullable(),
    credited_at: timestampView.nullable(),
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('Deposit');

function depositOf(assets: AssetCatalog, row: DepositRow): z.input<typeof depositView> {
  return {
    id: formatId('deposit', row.id),
    account_id: formatId('account', row.account_id),
    state: row.state,
    amount: moneyJson(assets, row.amount, row.asset),
    chain_id: row.chain_id,
    from_address: row.from_address,
    to_address: row.to_address,
    transaction_hash: row.transaction_hash,
    block_number: row.block_number.toString(),
    sweep_transaction_hash: row.sweep_transaction_hash,
    credited_at: row.credited_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function depositRoutes({ assets }: RouteDeps): AnyRoute[] {
  const access = { kind: 'organization', scope: 'read' } as const;
  return [
    route({
      method: 'get',
      path: '/v1/deposits',
      operationId: 'listDeposits',
      summary: 'Deposits seen on chain, newest first',
      tag: 'Deposits',
      access,
      query: listQuery('deposit', { account_id: idInput('account').optional(), state: z.enum(STATES).optional() }),
      status: 200,
      view: listView(depositView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listDeposits(trx, {
            organizationId,
            accountId: query.account_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => depositOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/deposits/{deposit_id}',
      operationId: 'getDeposit',
      summary: 'A deposit',
      tag: 'Deposits',
      access,
      params: z.strictObject({ deposit_id: idInput('deposit') }),
      status: 200,
      view: depositView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { deposit_id } }) => {
          const shown = await showDeposit(trx, { organizationId, depositId: deposit_id });
          return shown.ok ? ok(depositOf(assets, shown.value)) : shown;
        },
      },
    }),
  ];
}
