import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { formatId } from '../../shared/ids';
import { formatDecimal } from '../../shared/money';
import { ok } from '../../shared/result';
import { listTaxDisposals, listTaxLots, type TaxDisposalRow, type TaxLotRow } from '../../taxes/read-taxes';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, optionalId, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const lotView = z
  .strictObject({
    id: idView('taxLot'),
    account_id: idView('account'),
    quantity: moneyView,
    remaining: moneyView,
    basis_price_usd: z.string(),
    price_source: z.string(),
    source: z.string(),
    source_id: z.string(),
    acquired_at: timestampView,
  })
  .openapi('TaxLot');

const disposalView = z
  .strictObject({
    id: idView('taxDisposal'),
    account_id: idView('account'),
    lot_id: idView('taxLot')
      .nullable()
      .openapi({ description: 'Null: more was disposed of than lots were known for.' }),
    quantity: moneyView,
    basis: moneyView,
    proceeds: moneyView,
    fee: moneyView,
    price_source: z.string(),
    source: z.string(),
    source_id: z.string(),
    disposed_at: timestampView,
  })
  .openapi('TaxDisposal');

function lotOf(assets: AssetCatalog, row: TaxLotRow): z.input<typeof lotView> {
  return {
    id: formatId('taxLot', row.id),
    account_id: formatId('account', row.account_id),
    quantity: moneyJson(assets, row.quantity, row.asset),
    remaining: moneyJson(assets, row.remaining, row.asset),
    basis_price_usd: formatDecimal(row.basis_price_usd_e8, 8),
    price_source: row.price_source,
    source: row.source,
    source_id: row.source_id,
    acquired_at: row.acquired_at.toISOString(),
  };
}

function disposalOf(assets: AssetCatalog, row: TaxDisposalRow): z.input<typeof disposalView> {
  return {
    id: formatId('taxDisposal', row.id),
    account_id: formatId('account', row.account_id),
    lot_id: optionalId('taxLot', row.lot_id),
    quantity: moneyJson(assets, row.quantity, row.asset),
    basis: moneyJson(assets, row.basis_usd, 'USD'),
    proceeds: moneyJson(assets, row.proceeds_usd, 'USD'),
    fee: moneyJson(assets, row.fee_usd, 'USD'),
    price_source: row.price_source,
    source: row.source,
    source_id: row.source_id,
    disposed_at: row.disposed_at.toISOString(),
  };
}

export function taxRoutes({ assets }: RouteDeps): AnyRoute[] {
  const access = { kind: 'organization', scope: 'read' } as const;
  const codes = [...assets.keys()];
  const filters = { account_id: idInput('account').optional(), asset: z.enum(codes).optional() };
  return [
    route({
      method: 'get',
      path: '/v1/tax-lots',
      operationId: 'listTaxLots',
      summary: 'What accounts acquired and at which basis, newest first',
      tag: 'Taxes',
      access,
      query: listQuery('taxLot', filters),
      status: 200,
      view: listView(lotView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, input) => {
          const { account_id: accountId, asset } = input.query;
          const page = await listTaxLots(trx, { organizationId, accountId, asset, page: toPageRequest(input.query) });
          return ok(toListView(page, (row) => lotOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/tax-disposals',
      operationId: 'listTaxDisposals',
      summary: 'What accounts disposed of, newest first; a loan is no disposal',
      tag: 'Taxes',
      access,
      query: listQuery('taxDisposal', filters),
      status: 200,
      view: listView(disposalView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, input) => {
          const { account_id: accountId, asset } = input.query;
          const page = await listTaxDisposals(trx, {
            organizationId,
            accountId,
            asset,
            page: toPageRequest(input.query),
          });
          return ok(toListView(page, (row) => disposalOf(assets, row)));
        },
      },
    }),
  ];
}
