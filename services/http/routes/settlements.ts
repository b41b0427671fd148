import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { closeSettlement } from '../../settlement/close-settlement';
import { listSettlements, type SettlementRow, showSettlement } from '../../settlement/read-settlements';
import { formatId } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { dateInput, idInput, idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const STATES = ['open', 'closed', 'paid', 'reconciled'] as const;

const settlementView = z
  .strictObject({
    id: idView('settlement'),
    program_id: idView('program'),
    date: z.string(),
    state: z.enum(STATES),
    network_amount: moneyView.nullable().openapi({ description: 'What the network says is owed to it.' }),
    ledger_amount: moneyView.nullable().openapi({ description: 'What the books say; negative when the network owes.' }),
    bank_reference: z.string().nullable(),
    difference: z.string().nullable().openapi({ description: 'In words, when the two do not agree.' }),
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('Settlement');

function settlementOf(assets: AssetCatalog, row: SettlementRow): z.input<typeof settlementView> {
  const cents = (amount: bigint | null) => (amount === null ? null : moneyJson(assets, amount, 'USD'));
  return {
    id: formatId('settlement', row.id),
    program_id: formatId('program', row.program_id),
    date: row.date,
    state: row.state,
    network_amount: cents(row.network_amount),
    ledger_amount: cents(row.ledger_amount),
    bank_reference: row.bank_reference,
    difference: row.difference,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function settlementRoutes(deps: RouteDeps): AnyRoute[] {
  const { assets } = deps;
  const access = { kind: 'organization', scope: 'read' } as const;
  return [
    route({
      method: 'post',
      path: '/v1/settlements',
      operationId: 'closeSettlement',
      summary: 'Settle one date with the network',
      description:
        'One for each program and date: asked for again, it looks again. It ends `reconciled` once network, bank and ledger agree.',
      tag: 'Settlements',
      access: { kind: 'organization', scope: 'settlements:write' },
      body: z.strictObject({ program_id: idInput('program'), date: dateInput }),
      status: 202,
      view: settlementView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) => {
          const closed = await closeSettlement(trx, deps, {
            organizationId,
            programId: body.program_id,
            date: body.date,
          });
          return closed.ok ? ok(settlementOf(assets, closed.value)) : closed;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/settlements',
      operationId: 'listSettlements',
      summary: 'Settlements with the network, newest first',
      tag: 'Settlements',
      access,
      query: listQuery('settlement', { program_id: idInput('program').optional(), state: z.enum(STATES).optional() }),
      status: 200,
      view: listView(settlementView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listSettlements(trx, {
            organizationId,
            programId: query.program_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => settlementOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/settlements/{settlement_id}',
      operationId: 'getSettlement',
      summary: 'A settlement',
      tag: 'Settlements',
      access,
      params: z.strictObject({ settlement_id: idInput('settlement') }),
      status: 200,
      view: settlementView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { settlement_id } }) => {
          const shown = await showSettlement(trx, { organizationId, settlementId: settlement_id });
          return shown.ok ? ok(settlementOf(assets, shown.value)) : shown;
        },
      },
    }),
  ];
}
