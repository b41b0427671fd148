import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { acceptDifference } from '../../settlement/accept-difference';
import { closeSettlement } from '../../settlement/close-settlement';
import { compareAgain } from '../../settlement/compare-again';
import { correctBooks } from '../../settlement/correct-books';
import { listSettlements, type SettlementRow, showSettlement } from '../../settlement/read-settlements';
import { bankDifference } from '../../settlement/rules/bank-difference';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { dateInput, idInput, idView, optionalId, textInput, timestampView } from '../schemas/common';
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
    paid_amount: moneyView
      .nullable()
      .openapi({ description: 'What the bank has moved to the network for the program.' }),
    difference: z.string().nullable().openapi({ description: 'In words, when the three do not agree.' }),
    difference_amount: moneyView
      .nullable()
      .openapi({ description: 'What the bank moved beyond what the books owed; negative when it moved less.' }),
    books_difference: moneyView.nullable().openapi({
      description:
        'What the books lack of what the bank moved; negative when they have too much. Booked on your word only.',
    }),
    accepted: z
      .strictObject({ reason: z.string(), by: idView('apiKey').nullable(), at: timestampView })
      .nullable()
      .openapi({ description: 'Who let the difference stand, and why.' }),
    compared_at: timestampView.nullable(),
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
    paid_amount: cents(row.paid_amount),
    difference: row.difference,
    difference_amount: cents(bankDifference(row)),
    books_difference: cents(row.books_difference),
    accepted:
      row.accepted_at === null || row.accepted_reason === null
        ? null
        : {
            reason: row.accepted_reason,
            by: optionalId('apiKey', row.accepted_by),
            at: row.accepted_at.toISOString(),
          },
    compared_at: row.compared_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** An amount as it is shown, and why it is booked. */
const operatorsWord = z.strictObject({
  amount: z
    .string()
    .regex(/^-?(0|[1-9]\d{0,15})\.\d{2}$/, 'must be US dollars with cents, such as "-1.00"')
    .openapi({ example: '-1.00' }),
  reason: textInput(200),
});

export function settlementRoutes(deps: RouteDeps): AnyRoute[] {
  const { assets } = deps;
  const access = { kind: 'organization', scope: 'read' } as const;
  const write = { kind: 'organization', scope: 'settlements:write' } as const;
  const params = z.strictObject({ settlement_id: idInput('settlement') });
  const viewed = (result: Result<SettlementRow, Refusal>) =>
    result.ok ? ok(settlementOf(assets, result.value)) : result;
  return [
    route({
      method: 'post',
      path: '/v1/settlements',
      operationId: 'closeSettlement',
      summary: 'Settle one date with the network',
      description:
        'One for each program and date: asked for again, it looks again. It ends `reconciled` once network, bank and ledger agree.',
      tag: 'Settlements',
      access: write,
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
      params,
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
    route({
      method: 'post',
      path: '/v1/settlements/{settlement_id}/compare',
      operationId: 'compareSettlement',
      summary: 'Compare a settlement with network and bank again',
      description:
        'After a correction: what the bank has booked since is booked, what was recorded since counts. `compared_at` moves on when it was done.',
      tag: 'Settlements',
      access: write,
      params,
      status: 202,
      view: settlementView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { settlement_id } }) =>
          viewed(await compareAgain(trx, { organizationId, settlementId: settlement_id })),
      },
    }),
    route({
      method: 'post',
      path: '/v1/settlements/{settlement_id}/accept-difference',
      operationId: 'acceptSettlementDifference',
      summary: 'Let the difference of a paid settlement stand',
      description:
        'Books it as an expense or as earned, and ends the settlement `reconciled`. `amount` is its `difference_amount`, so that nobody accepts what they have not seen.',
      tag: 'Settlements',
      access: write,
      params,
      body: operatorsWord,
      status: 200,
      view: settlementView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { settlement_id }, body }) =>
          viewed(
            await acceptDifference(trx, deps, {
              organizationId,
              settlementId: settlement_id,
              ...body,
              acceptedBy: caller?.apiKeyId ?? null,
            }),
          ),
      },
    }),
    route({
      method: 'post',
      path: '/v1/settlements/{settlement_id}/correct-books',
      operationId: 'correctSettlementBooks',
      summary: 'Have booked what the books lack of what the bank moved',
      description:
        'Where an earlier fault left them otherwise than the settlement says. `amount` is its `books_difference`, so that nobody books what they have not seen; it is compared again then. One that is over stays `reconciled`.',
      tag: 'Settlements',
      access: write,
      params,
      body: operatorsWord,
      status: 202,
      view: settlementView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { settlement_id }, body }) =>
          viewed(
            await correctBooks(trx, deps, {
              organizationId,
              settlementId: settlement_id,
              ...body,
              correctedBy: caller?.apiKeyId ?? null,
            }),
          ),
      },
    }),
  ];
}
