import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import type { AmendmentRow } from '../../authorizations/explain-amendment';
import { listAmendments } from '../../authorizations/list-amendments';
import { listAuthorizations } from '../../authorizations/list-authorizations';
import { DECLINE_REASON_TEXT, DECLINE_REASONS } from '../../authorizations/rules/decline-reason';
import {
  type AuthorizationRow,
  type AuthorizationWithLegs,
  receiptOf,
  showAuthorization,
} from '../../authorizations/show-authorization';
import { partnerDecisionDocument } from '../../partner-decisions/rules/partner-verdict';
import { formatId } from '../../shared/ids';
import { formatDecimal } from '../../shared/money';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { merchantView } from '../schemas/merchant';
import { moneyView } from '../schemas/money';
import { partnerDecisionView } from '../schemas/partner';
import { z } from '../schemas/zod';

const STATES = ['declined', 'pending', 'partially_cleared', 'cleared', 'reversed', 'expired'] as const;

const KINDS = [
  'authorization',
  'incremental_authorization',
  'advice',
  'balance_inquiry',
  'zero_amount_verification',
  'refund_authorization',
  'cash_withdrawal',
] as const;

const authorizationFields = {
  id: idView('authorization'),
  account_id: idView('account'),
  card_id: idView('card'),
  program_id: idView('program'),
  kind: z.enum(KINDS).openapi({
    description: 'What the network asked for first; advice: it told of the purchase without asking.',
  }),
  state: z.enum(STATES),
  decline: z
    .strictObject({ reason: z.enum(DECLINE_REASONS), text: z.string() })
    .nullable()
    .openapi({
      description:
        'Why it was declined, for machines and for people. A network may go ahead all the same: the state is then another.',
    }),
  requested: moneyView,
  approved: moneyView,
  hold: moneyView,
  fee: moneyView.openapi({ description: 'Part of the hold that is the program’s fee.' }),
  reserved: moneyView.openapi({ description: 'Funded right after approval and not cleared yet.' }),
  cash: moneyView.openapi({
    description:
      'Part of `requested` that is cash: all of it from a machine or over a counter, else what was asked for at the till. What is asked for later is not in it, as it is not in `requested`.',
  }),
  cleared: moneyView,
  reversed: moneyView,
  refunded: moneyView.openapi({
    description:
      'What refunds of the purchase come to, less those that were taken back. It may be more than `cleared`: a refund may come before its clearing, or be of more.',
  }),
  largest_amount: moneyView.openapi({
    description: 'The largest purchase that would have been approved at that moment.',
  }),
  partner_decision: partnerDecisionView.nullable().openapi({
    description: 'What you decided yourself, or was decided in your place; null when you were not asked.',
  }),
  merchant: merchantView,
  merchant_amount: z.strictObject({ minor_units: z.string(), currency: z.string() }),
  channel: z.string(),
  avs: z
    .enum(['match', 'postal_code_match', 'address_match', 'mismatch', 'not_provided'])
    .openapi({ description: 'The address given at the merchant against the cardholder’s.' }),
  cvc: z.enum(['match', 'mismatch', 'not_provided']).openapi({ description: 'The security code given.' }),
  processor_authorization_id: z.string(),
  occurred_at: timestampView,
  expires_at: timestampView.nullable(),
  created_at: timestampView,
  updated_at: timestampView,
};

const authorizationView = z.strictObject(authorizationFields).openapi('Authorization');

const legView = z
  .strictObject({
    id: idView('fundingLeg'),
    kind: z.enum(['stablecoin_sale', 'loan_draw', 'overdue', 'refund']),
    price_usd: z.string(),
    held: moneyView,
    held_covers: moneyView,
    posted: moneyView,
    posted_covers: moneyView,
    released: moneyView,
    refunded: moneyView,
  })
  .openapi('FundingLeg');

const detailView = z
  .strictObject({
    ...authorizationFields,
    legs: z.array(legView),
    options: z
      .array(
        z.strictObject({
          kind: z.enum(['stablecoin_sale', 'loan_draw']),
          asset: z.string(),
          capacity: moneyView,
          used: moneyView,
          rejection: z.string().nullable(),
        }),
      )
      .openapi({ description: 'Every source that was considered and why not more of it was used.' }),
  })
  .openapi('AuthorizationDetail');

const amendmentView = z
  .strictObject({
    id: idView('amendment'),
    authorization_id: idView('authorization'),
    card_id: idView('card'),
    kind: z.enum(KINDS).openapi({
      description: 'What the message was. `advice`: the network told of a total, mostly without waiting for an answer.',
    }),
    outcome: z.enum(['approved', 'partially_approved', 'declined']),
    decline: z.strictObject({ reason: z.enum(DECLINE_REASONS), text: z.string() }).nullable(),
    total_before: moneyView.openapi({ description: 'What the purchase came to before.' }),
    requested: moneyView.openapi({
      description: 'Asked for on top of that; of a refund that is asked for, what is to come back.',
    }),
    approved: moneyView.openapi({
      description: 'Approved on top of that. What the network told counts as a whole, also where less could be held.',
    }),
    given_back: moneyView.openapi({
      description: 'What a total below `total_before` gave back, at most what was not cleared yet.',
    }),
    answer: z
      .enum(['awaited', 'given', 'counted', 'taken_back', 'overtaken'])
      .nullable()
      .openapi({
        description:
          '`awaited`: whether the network heard the approval is not known yet. `given`: it was handed over. `counted`: the processor counts it. ' +
          '`taken_back`: it was not heard, and nothing is held for it. `overtaken`: a later message settled it. Null: nothing depends on it.',
      }),
    partner_decision: partnerDecisionView.nullable().openapi({
      description: 'What you decided yourself, or was decided in your place; null when you were not asked.',
    }),
    occurred_at: timestampView,
    created_at: timestampView,
  })
  .openapi('Amendment');

export function authorizationRoutes({ assets }: RouteDeps): AnyRoute[] {
  const access = { kind: 'organization', scope: 'read' } as const;
  return [
    route({
      method: 'get',
      path: '/v1/authorizations',
      operationId: 'listAuthorizations',
      summary: 'Authorizations, approved and declined, newest first',
      tag: 'Authorizations',
      access,
      query: listQuery('authorization', {
        account_id: idInput('account').optional(),
        card_id: idInput('card').optional(),
        state: z.enum(STATES).optional(),
      }),
      status: 200,
      view: listView(authorizationView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listAuthorizations(trx, {
            organizationId,
            accountId: query.account_id,
            cardId: query.card_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => authorizationOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/authorizations/{authorization_id}/amendments',
      operationId: 'listAmendments',
      summary: 'What later messages asked or told of an authorization, newest first',
      description:
        'Increments, approved, declined and too late, totals that the network told, inquiries and refunds that named the purchase: each left a receipt of its own. ' +
        'Reversals, expiries and clearings are answered by nothing and show in the authorization and its events.',
      tag: 'Authorizations',
      access,
      params: z.strictObject({ authorization_id: idInput('authorization') }),
      query: listQuery('amendment', {}),
      status: 200,
      view: listView(amendmentView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { authorization_id }, query }) => {
          const page = await listAmendments(trx, {
            organizationId,
            authorizationId: authorization_id,
            page: toPageRequest(query),
          });
          return page.ok ? ok(toListView(page.value, (row) => amendmentOf(assets, row))) : page;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/authorizations/{authorization_id}',
      operationId: 'getAuthorization',
      summary: 'An authorization with its funding legs and the options not taken',
      tag: 'Authorizations',
      access,
      params: z.strictObject({ authorization_id: idInput('authorization') }),
      status: 200,
      view: detailView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { authorization_id } }) => {
          const shown = await showAuthorization(trx, { organizationId, authorizationId: authorization_id });
          return shown.ok ? ok(detailOf(assets, shown.value)) : shown;
        },
      },
    }),
  ];
}

function authorizationOf(assets: AssetCatalog, row: AuthorizationRow): z.input<typeof authorizationView> {
  const cents = (amount: bigint) => moneyJson(assets, amount, 'USD');
  return {
    id: formatId('authorization', row.id),
    account_id: formatId('account', row.account_id),
    card_id: formatId('card', row.card_id),
    program_id: formatId('program', row.program_id),
    kind: row.kind,
    state: row.state,
    decline:
      row.decline_reason === null
        ? null
        : { reason: row.decline_reason, text: DECLINE_REASON_TEXT[row.decline_reason] },
    requested: cents(row.requested_amount),
    approved: cents(row.approved_amount),
    hold: cents(row.hold_amount),
    fee: cents(row.fee_amount),
    reserved: cents(row.reserved_amount),
    cash: cents(row.cash_amount),
    cleared: cents(row.cleared_amount),
    reversed: cents(row.reversed_amount),
    refunded: cents(row.refunded_amount),
    largest_amount: cents(BigInt(receiptOf(row)?.outcome.largest ?? '0')),
    partner_decision: partnerDecisionOf(row),
    merchant: row.merchant,
    merchant_amount: { minor_units: row.merchant_amount.toString(), currency: row.merchant_currency },
    channel: row.channel,
    avs: row.avs,
    cvc: row.cvc,
    processor_authorization_id: row.processor_authorization_id,
    occurred_at: row.occurred_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function partnerDecisionOf(row: AuthorizationRow): z.input<typeof partnerDecisionView> | null {
  const verdict = receiptOf(row)?.request.partner;
  return verdict === undefined ? null : partnerDecisionDocument(verdict);
}

function detailOf(assets: AssetCatalog, { authorization, legs }: AuthorizationWithLegs): z.input<typeof detailView> {
  const cents = (amount: bigint) => moneyJson(assets, amount, 'USD');
  return {
    ...authorizationOf(assets, authorization),
    legs: legs.map((leg) => ({
      id: formatId('fundingLeg', leg.id),
      kind: leg.kind,
      price_usd: formatDecimal(leg.price_usd_e8, 8),
      held: moneyJson(assets, leg.held_amount, leg.asset),
      held_covers: cents(leg.held_usd),
      posted: moneyJson(assets, leg.posted_amount, leg.asset),
      posted_covers: cents(leg.posted_usd),
      released: moneyJson(assets, leg.released_amount, leg.asset),
      refunded: moneyJson(assets, leg.refunded_amount, leg.asset),
    })),
    options: (receiptOf(authorization)?.outcome.options ?? []).map(([kind, asset, capacity, used, rejection]) => ({
      kind,
      asset,
      capacity: cents(BigInt(capacity)),
      used: cents(BigInt(used)),
      rejection,
    })),
  };
}

function amendmentOf(assets: AssetCatalog, row: AmendmentRow): z.input<typeof amendmentView> {
  const partner = row.receipt === null ? undefined : receiptOf({ receipt: row.receipt })?.request.partner;
  const cents = (amount: bigint) => moneyJson(assets, amount, 'USD');
  return {
    id: formatId('amendment', row.id),
    authorization_id: formatId('authorization', row.authorization_id),
    card_id: formatId('card', row.card_id),
    kind: row.kind,
    outcome: row.outcome,
    decline: row.decline_reason && { reason: row.decline_reason, text: DECLINE_REASON_TEXT[row.decline_reason] },
    total_before: cents(row.total_before),
    requested: cents(row.requested_amount),
    approved: cents(row.granted),
    given_back: cents(row.given_back ?? 0n),
    answer: row.answer_state,
    partner_decision: partner === undefined ? null : partnerDecisionDocument(partner),
    occurred_at: row.occurred_at.toISOString(),
    created_at: row.created_at.toISOString(),
  };
}
