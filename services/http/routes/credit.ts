import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { acceptCreditAgreement } from '../../credit/accept-credit-agreement';
import {
  type LoanDrawRow,
  listLoanDraws,
  listRepayments,
  type RepaymentRow,
  showLoanDraw,
  showRepayment,
} from '../../credit/read-loans';
import { type CreditAgreementView, showCreditAgreement } from '../../credit/show-credit-agreement';
import { requestRepayment } from '../../funding/request-repayment';
import { formatId } from '../../shared/ids';
import { err, ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyInput, moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const DRAW_STATES = ['requested', 'submitted', 'confirmed', 'failed', 'repaid'] as const;
const ORDER_STATES = ['requested', 'submitted', 'confirmed', 'failed'] as const;

const agreementView = z
  .strictObject({
    terms_version: z.string(),
    borrow_asset: z.string(),
    venue_rate_bps: z.int().openapi({ description: 'Yearly, as the venue lends now; it varies.' }),
    spread_bps: z.int(),
    document: z.string().openapi({ description: 'The text to show to the cardholder.' }),
    document_sha256: z.string(),
    accepted: z
      .strictObject({
        id: idView('creditAgreement'),
        terms_version: z.string(),
        venue_rate_bps: z.int(),
        spread_bps: z.int(),
        document_sha256: z.string(),
        accepted_at: timestampView,
      })
      .nullable(),
  })
  .openapi('CreditAgreement');

const drawFields = {
  id: idView('loanDraw'),
  account_id: idView('account'),
  state: z.enum(DRAW_STATES),
  venue: z.string(),
  principal: moneyView.openapi({ description: 'Drawn for clearings so far.' }),
  principal_confirmed: moneyView,
  principal_repaid: moneyView,
  principal_outstanding: moneyView,
  interest_posted: moneyView,
  interest_repaid: moneyView,
  created_at: timestampView,
  updated_at: timestampView,
};
const drawView = z.strictObject(drawFields).openapi('LoanDraw');
const drawDetailView = z
  .strictObject({
    ...drawFields,
    borrowings: z.array(
      z.strictObject({
        id: idView('legPosting'),
        state: z.enum(ORDER_STATES),
        amount: moneyView,
        transaction_hash: z.string().nullable(),
        failure: z.string().nullable(),
      }),
    ),
  })
  .openapi('LoanDrawDetail');

const repaymentView = z
  .strictObject({
    id: idView('repayment'),
    account_id: idView('account'),
    source: z.enum(['funds', 'refund']),
    state: z.enum(ORDER_STATES),
    amount: moneyView,
    venue_amount: moneyView.nullable().openapi({ description: 'What reached the venue.' }),
    transaction_hash: z.string().nullable(),
    failure: z.string().nullable(),
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('Repayment');

const params = z.strictObject({ account_id: idInput('account') });
const read = { kind: 'organization', scope: 'read' } as const;
const write = { kind: 'organization', scope: 'credit:write' } as const;

export function creditRoutes(deps: RouteDeps): AnyRoute[] {
  const { assets } = deps;
  const stablecoins = [...assets.values()].filter((asset) => asset.kind === 'stablecoin').map((asset) => asset.code);
  const repaymentBody = z
    .strictObject({
      amount: moneyInput(assets, { kinds: ['stablecoin'] }).optional(),
      all: z
        .enum(stablecoins)
        .optional()
        .openapi({ description: 'Instead of an amount: everything owed, in this asset.' }),
    })
    .refine((body) => (body.amount === undefined) !== (body.all === undefined), {
      message: 'is needed, or "all" instead of it',
      path: ['amount'],
    });
  return [
    route({
      method: 'get',
      path: '/v1/accounts/{account_id}/credit-agreement',
      operationId: 'getCreditAgreement',
      summary: 'The credit agreement with its rate as it stands, and the one accepted',
      tag: 'Credit',
      access: read,
      params,
      status: 200,
      view: agreementView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id } }) => {
          const shown = await showCreditAgreement(trx, deps, { organizationId, accountId: account_id });
          return shown.ok ? ok(agreementOf(shown.value)) : shown;
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/accounts/{account_id}/credit-agreement',
      operationId: 'acceptCreditAgreement',
      summary: 'Store that the cardholder accepted the agreement that was shown',
      tag: 'Credit',
      access: write,
      params,
      body: z.strictObject({
        terms_version: z.string().min(1).max(40),
        document_sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the document, 64 hex digits'),
      }),
      status: 201,
      view: agreementView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const accepted = await acceptCreditAgreement(trx, deps, {
            organizationId,
            accountId: account_id,
            termsVersion: body.terms_version,
            documentSha256: body.document_sha256,
          });
          return accepted.ok ? ok(agreementOf(accepted.value)) : accepted;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/loan-draws',
      operationId: 'listLoanDraws',
      summary: 'Loan draws, newest first',
      tag: 'Credit',
      access: read,
      query: listQuery('loanDraw', {
        account_id: idInput('account').optional(),
        state: z.enum(DRAW_STATES).optional(),
      }),
      status: 200,
      view: listView(drawView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const { account_id: accountId, state } = query;
          const page = await listLoanDraws(trx, { organizationId, accountId, state, page: toPageRequest(query) });
          return ok(toListView(page, (row) => drawOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/loan-draws/{draw_id}',
      operationId: 'getLoanDraw',
      summary: 'A loan draw with its borrowings on chain',
      tag: 'Credit',
      access: read,
      params: z.strictObject({ draw_id: idInput('loanDraw') }),
      status: 200,
      view: drawDetailView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { draw_id } }) => {
          const shown = await showLoanDraw(trx, { organizationId, drawId: draw_id });
          if (!shown.ok) return shown;
          const { draw, orders } = shown.value;
          return ok({
            ...drawOf(assets, draw),
            borrowings: orders.map((order) => ({
              id: formatId('legPosting', order.id),
              state: order.state,
              amount: moneyJson(assets, order.amount, order.asset),
              transaction_hash: order.transaction_hash,
              failure: order.failure,
            })),
          });
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/accounts/{account_id}/repayments',
      operationId: 'createRepayment',
      summary: 'Repay the loan out of stablecoins of the account, oldest draw first',
      description:
        'Reserved at once, confirmed when it has reached the chain. Never refused for the state of the account.',
      tag: 'Credit',
      access: write,
      params,
      body: repaymentBody,
      status: 202,
      view: repaymentView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const requested = await requestRepayment(trx, deps, {
            organizationId,
            accountId: account_id,
            asset: body.amount?.asset ?? body.all ?? '',
            amount: body.amount?.amount ?? 'all',
          });
          if (requested.ok) return ok(repaymentOf(assets, requested.value));
          const { pointer } = requested.error;
          const inBody = {
            '/asset': body.amount === undefined ? '/all' : '/amount/asset',
            '/amount': '/amount/amount',
          };
          return err(
            pointer === '/asset' || pointer === '/amount'
              ? { ...requested.error, pointer: inBody[pointer] }
              : requested.error,
          );
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/repayments',
      operationId: 'listRepayments',
      summary: 'Repayments, out of funds and out of refunds, newest first',
      tag: 'Credit',
      access: read,
      query: listQuery('repayment', {
        account_id: idInput('account').optional(),
        state: z.enum(ORDER_STATES).optional(),
      }),
      status: 200,
      view: listView(repaymentView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const { account_id: accountId, state } = query;
          const page = await listRepayments(trx, { organizationId, accountId, state, page: toPageRequest(query) });
          return ok(toListView(page, (row) => repaymentOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/repayments/{repayment_id}',
      operationId: 'getRepayment',
      summary: 'A repayment',
      tag: 'Credit',
      access: read,
      params: z.strictObject({ repayment_id: idInput('repayment') }),
      status: 200,
      view: repaymentView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { repayment_id } }) => {
          const shown = await showRepayment(trx, { organizationId, repaymentId: repayment_id });
          return shown.ok ? ok(repaymentOf(assets, shown.value)) : shown;
        },
      },
    }),
  ];
}

function agreementOf(view: CreditAgreementView): z.input<typeof agreementView> {
  const { accepted } = view;
  return {
    terms_version: view.termsVersion,
    borrow_asset: view.borrowAsset,
    venue_rate_bps: view.venueRateBps,
    spread_bps: view.spreadBps,
    document: view.document,
    document_sha256: view.documentSha256,
    accepted:
      accepted === null
        ? null
        : {
            id: formatId('creditAgreement', accepted.id),
            terms_version: accepted.termsVersion,
            venue_rate_bps: accepted.venueRateBps,
            spread_bps: accepted.spreadBps,
            document_sha256: accepted.documentSha256,
            accepted_at: accepted.acceptedAt.toISOString(),
          },
  };
}

function drawOf(assets: AssetCatalog, row: LoanDrawRow): z.input<typeof drawView> {
  const money = (amount: bigint) => moneyJson(assets, amount, row.asset);
  return {
    id: formatId('loanDraw', row.id),
    account_id: formatId('account', row.account_id),
    state: row.state,
    venue: row.venue,
    principal: money(row.principal_posted),
    principal_confirmed: money(row.principal_confirmed),
    principal_repaid: money(row.principal_repaid),
    principal_outstanding: money(row.principal_posted - row.principal_repaid),
    interest_posted: money(row.interest_posted),
    interest_repaid: money(row.interest_repaid),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function repaymentOf(assets: AssetCatalog, row: RepaymentRow): z.input<typeof repaymentView> {
  return {
    id: formatId('repayment', row.id),
    account_id: formatId('account', row.account_id),
    source: row.source,
    state: row.state,
    amount: moneyJson(assets, row.amount, row.asset),
    venue_amount: row.venue_amount === null ? null : moneyJson(assets, row.venue_amount, row.asset),
    transaction_hash: row.transaction_hash,
    failure: row.failure,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
