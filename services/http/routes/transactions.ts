import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import {
  type CardTransactionRow,
  type CardTransactionWithFunding,
  type FundedPosting,
  listCardTransactions,
  showCardTransaction,
} from '../../authorizations/read-card-transactions';
import { formatId } from '../../shared/ids';
import { formatDecimal } from '../../shared/money';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, optionalId, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { merchantView } from '../schemas/merchant';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const KINDS = ['clearing', 'refund', 'refund_reversal', 'reservation', 'reservation_return'] as const;
const STATES = ['posted', 'funded', 'settled'] as const;

const transactionFields = {
  id: idView('cardTransaction'),
  kind: z.enum(KINDS).openapi({
    description:
      'A reservation is ours: a purchase that was funded right after its approval, and what of it was given back.',
  }),
  state: z.enum(STATES),
  account_id: idView('account'),
  card_id: idView('card'),
  program_id: idView('program'),
  authorization_id: idView('authorization').nullable(),
  original_transaction_id: idView('cardTransaction').nullable(),
  amount: moneyView,
  fee: moneyView.openapi({ description: 'Charged by the program on top; of a refund, given back with it.' }),
  cash: moneyView.openapi({
    description:
      'Part of the amount that was handed out as cash: all of it from a machine or over a counter; of what was asked for at the till, what no earlier clearing of the purchase has. Zero of anything but a clearing.',
  }),
  refunded: moneyView.openapi({
    description:
      'Part of the amount that was given back: of a clearing, or a refund that was taken back, by refunds, the oldest transaction of the purchase first; of a reservation, by its returns. At most the amount. A refund that is taken back leaves it as it is: what is spent again is a transaction of its own. Zero of a refund or a return.',
  }),
  merchant: merchantView,
  merchant_amount: z.strictObject({ minor_units: z.string(), currency: z.string() }),
  forced: z.boolean().openapi({ description: 'Cleared without an authorization.' }),
  effective_at: timestampView,
  recorded_at: timestampView,
  updated_at: timestampView,
};

const transactionView = z.strictObject(transactionFields).openapi('Transaction');

const postingView = z
  .strictObject({
    id: idView('legPosting').openapi({ description: 'The part of the transaction that one leg carries.' }),
    leg_id: idView('fundingLeg'),
    kind: z.enum(['stablecoin_sale', 'loan_draw', 'overdue', 'refund']),
    state: z.enum(['posted', 'funding', 'funded', 'failed']),
    amount: moneyView,
    covers: moneyView,
    price_usd: z.string().nullable(),
    sale: z
      .strictObject({
        id: idView('saleOrder'),
        state: z.string(),
        sold: moneyView,
        gross: moneyView.nullable(),
        fee: moneyView.nullable(),
        vendor_order_id: z.string().nullable(),
        transaction_hash: z.string().nullable(),
        bank_reference: z.string().nullable(),
        failure: z.string().nullable(),
      })
      .nullable(),
    draw: z
      .strictObject({
        draw_id: idView('loanDraw'),
        state: z.string(),
        amount: moneyView,
        transaction_hash: z.string().nullable(),
        failure: z.string().nullable(),
      })
      .nullable(),
    repayments: z.array(z.strictObject({ id: idView('repayment'), state: z.string(), amount: moneyView })),
  })
  .openapi('TransactionPart');

const detailView = z.strictObject({ ...transactionFields, parts: z.array(postingView) }).openapi('TransactionDetail');

export function transactionRoutes({ assets }: RouteDeps): AnyRoute[] {
  const access = { kind: 'organization', scope: 'read' } as const;
  return [
    route({
      method: 'get',
      path: '/v1/transactions',
      operationId: 'listTransactions',
      summary: 'Clearings, force posts and refunds, newest first',
      tag: 'Transactions',
      access,
      query: listQuery('cardTransaction', {
        account_id: idInput('account').optional(),
        card_id: idInput('card').optional(),
        authorization_id: idInput('authorization').optional(),
        kind: z.enum(KINDS).optional(),
        state: z.enum(STATES).optional(),
      }),
      status: 200,
      view: listView(transactionView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listCardTransactions(trx, {
            organizationId,
            accountId: query.account_id,
            cardId: query.card_id,
            authorizationId: query.authorization_id,
            kind: query.kind,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => transactionOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/transactions/{transaction_id}',
      operationId: 'getTransaction',
      summary: 'A transaction with its parts and how far each is funded',
      tag: 'Transactions',
      access,
      params: z.strictObject({ transaction_id: idInput('cardTransaction') }),
      status: 200,
      view: detailView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { transaction_id } }) => {
          const shown = await showCardTransaction(trx, { organizationId, cardTransactionId: transaction_id });
          return shown.ok ? ok(detailOf(assets, shown.value)) : shown;
        },
      },
    }),
  ];
}

function transactionOf(assets: AssetCatalog, row: CardTransactionRow): z.input<typeof transactionView> {
  return {
    id: formatId('cardTransaction', row.id),
    kind: row.kind,
    state: row.state,
    account_id: formatId('account', row.account_id),
    card_id: formatId('card', row.card_id),
    program_id: formatId('program', row.program_id),
    authorization_id: optionalId('authorization', row.authorization_id),
    original_transaction_id: optionalId('cardTransaction', row.original_transaction_id),
    amount: moneyJson(assets, row.amount, row.currency),
    fee: moneyJson(assets, row.fee_amount, row.currency),
    cash: moneyJson(assets, row.cash_amount, row.currency),
    refunded: moneyJson(assets, row.refunded_amount, row.currency),
    merchant: row.merchant,
    merchant_amount: { minor_units: row.merchant_amount.toString(), currency: row.merchant_currency },
    forced: row.forced,
    effective_at: row.effective_at.toISOString(),
    recorded_at: row.recorded_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function detailOf(
  assets: AssetCatalog,
  { transaction, postings }: CardTransactionWithFunding,
): z.input<typeof detailView> {
  return { ...transactionOf(assets, transaction), parts: postings.map((part) => partOf(assets, part)) };
}

function partOf(assets: AssetCatalog, part: FundedPosting): z.input<typeof postingView> {
  const { posting, leg, sale, draw, repayments } = part;
  const cents = (amount: bigint | null) => (amount === null ? null : moneyJson(assets, amount, 'USD'));
  return {
    id: formatId('legPosting', posting.id),
    leg_id: formatId('fundingLeg', posting.leg_id),
    kind: posting.kind,
    state: posting.state,
    amount: moneyJson(assets, posting.amount, posting.asset),
    covers: moneyJson(assets, posting.amount_usd, 'USD'),
    price_usd: leg === undefined ? null : formatDecimal(leg.price_usd_e8, 8),
    sale:
      sale === undefined
        ? null
        : {
            id: formatId('saleOrder', sale.id),
            state: sale.state,
            sold: moneyJson(assets, sale.amount, sale.asset),
            gross: cents(sale.gross_usd),
            fee: cents(sale.fee_usd),
            vendor_order_id: sale.vendor_order_id,
            transaction_hash: sale.transaction_hash,
            bank_reference: sale.bank_reference,
            failure: sale.failure,
          },
    draw:
      draw === undefined
        ? null
        : {
            draw_id: formatId('loanDraw', draw.draw_id),
            state: draw.state,
            amount: moneyJson(assets, draw.amount, draw.asset),
            transaction_hash: draw.transaction_hash,
            failure: draw.failure,
          },
    repayments: repayments.map((repayment) => ({
      id: formatId('repayment', repayment.id),
      state: repayment.state,
      amount: moneyJson(assets, repayment.amount, repayment.asset),
    })),
  };
}
