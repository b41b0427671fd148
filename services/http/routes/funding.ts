import { type FundingPreview, previewFundingPolicy } from '../../accounts/preview-funding-policy';
import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { type Quote, type QuotedPurchase, quoteSpend } from '../../authorizations/quote-spend';
import { DECLINE_REASON_TEXT, DECLINE_REASONS, type DeclineReason } from '../../authorizations/rules/decline-reason';
import type { CreditStanding } from '../../credit/rules/credit-standing';
import { OPTION_REJECTION_TEXT, OPTION_REJECTIONS } from '../../funding/rules/plan-funding';
import { formatDecimal } from '../../shared/money';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { countryInput, idInput } from '../schemas/common';
import { fundingInput, fundingPolicyOf, fundingPolicyView, toRequestedFunding } from '../schemas/funding';
import { moneyInput, moneyView } from '../schemas/money';
import { ratio, ratioView } from '../schemas/ratio';
import { z } from '../schemas/zod';

const LEG_KINDS = ['stablecoin_sale', 'loan_draw'] as const;
const PURCHASES_MAX = 20;

const reasonView = z
  .strictObject({ reason: z.enum(DECLINE_REASONS), explanation: z.string() })
  .nullable()
  .openapi({ description: 'Why one cent more would be declined.' });

const creditView = z
  .strictObject({
    debt: moneyView,
    ltv: ratioView,
    health: ratioView,
    buffer_used: ratioView,
  })
  .openapi('DebtStanding', { description: 'With the holds of open authorizations counted in full as debt.' });

const quoteView = z
  .strictObject({
    approvable: z.boolean(),
    decline_reason: z.string().nullable(),
    decline_explanation: z.string().nullable(),
    amount: moneyView,
    hold_amount: moneyView.openapi({
      description: 'What would be held: the worst case of what the clearing may come to, with its fee.',
    }),
    hold: z.strictObject({
      amount: moneyView,
      allowance: moneyView.openapi({
        description: 'On top for the merchant’s category: tips, extras, or what a pump may clear.',
      }),
      fee: moneyView,
      buffers: z.array(moneyView).openapi({ description: 'Tokens on top because their price moves, by asset.' }),
    }),
    expires_at: z
      .string()
      .nullable()
      .openapi({ format: 'date-time', description: 'When the hold would run out if nothing cleared.' }),
    largest_amount: moneyView,
    largest_limited_by: reasonView,
    legs: z.array(
      z.strictObject({
        kind: z.enum(LEG_KINDS),
        hold: moneyView,
        buffer: moneyView.openapi({ description: 'What of the hold is there for moves of the price.' }),
        covers: moneyView,
        price_usd: z.string(),
      }),
    ),
    options: z.array(
      z.strictObject({
        kind: z.enum(LEG_KINDS),
        asset: z.string(),
        capacity: moneyView,
        used: moneyView,
        rejection: z.enum(OPTION_REJECTIONS).nullable(),
        explanation: z.string().nullable(),
      }),
    ),
    credit_before: creditView,
    credit_after: creditView,
  })
  .openapi('Quote');

const previewView = z
  .strictObject({
    funding_policy: fundingPolicyView.openapi({ description: 'The policy as it would be stored.' }),
    purchases: z.array(z.strictObject({ current: quoteView, proposed: quoteView })),
  })
  .openapi('FundingPolicyPreview');

const params = z.strictObject({ account_id: idInput('account') });
const tag = 'Accounts';
const read = { kind: 'organization', scope: 'read' } as const;

export function fundingRoutes(deps: RouteDeps): AnyRoute[] {
  const { assets } = deps;
  const purchaseFields = {
    amount: moneyInput(assets, { assets: ['USD'] }),
    mcc: z
      .string()
      .regex(/^\d{4}$/, 'must be a merchant category code of four digits')
      .optional(),
    merchant_country: countryInput.optional(),
    merchant_currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as "EUR"')
      .optional()
      .openapi({ example: 'EUR', description: 'Another than the card’s makes it a foreign purchase.' }),
    channel: z
      .enum(['ecommerce', 'contactless', 'chip', 'magstripe', 'manual', 'atm', 'recurring', 'unknown'])
      .optional(),
  };
  const purchaseInput = z.strictObject(purchaseFields);
  const toPurchase = (input: z.output<typeof purchaseInput>): QuotedPurchase => ({
    amount: input.amount.amount,
    mcc: input.mcc ?? null,
    merchantCountry: input.merchant_country ?? null,
    merchantCurrency: input.merchant_currency ?? null,
    channel: input.channel ?? null,
  });

  return [
    route({
      method: 'post',
      path: '/v1/accounts/{account_id}/quote',
      operationId: 'quoteSpend',
      summary: 'What an authorization of this amount would be answered now',
      description: 'Holds nothing, so it takes no Idempotency-Key. The same rules as an authorization, to the unit.',
      tag,
      access: read,
      params,
      body: z.strictObject({ ...purchaseFields, card_id: idInput('card').optional() }),
      status: 200,
      view: quoteView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const purchase = toPurchase(body);
          const cardId = body.card_id ?? null;
          const quoted = await quoteSpend(trx, deps, { organizationId, accountId: account_id, cardId, purchase });
          return quoted.ok ? ok(quoteOf(assets, quoted.value, purchase.amount)) : quoted;
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/accounts/{account_id}/funding-policy/preview',
      operationId: 'previewFundingPolicy',
      summary: 'What another funding policy would do to some purchases',
      description:
        'Each purchase by itself, as the present policy would have it and as the other would. Nothing is written, so it takes no Idempotency-Key.',
      tag,
      access: read,
      params,
      body: z.strictObject({
        funding_policy: fundingInput(assets),
        purchases: z.array(purchaseInput).min(1).max(PURCHASES_MAX),
        card_id: idInput('card').optional(),
      }),
      status: 200,
      view: previewView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const purchases = body.purchases.map(toPurchase);
          const preview = await previewFundingPolicy(trx, deps, {
            organizationId,
            accountId: account_id,
            cardId: body.card_id ?? null,
            funding: toRequestedFunding(body.funding_policy),
            purchases,
          });
          return preview.ok ? ok(previewOf(assets, preview.value, purchases)) : preview;
        },
      },
    }),
  ];
}

function previewOf(
  assets: AssetCatalog,
  preview: FundingPreview,
  purchases: readonly QuotedPurchase[],
): z.input<typeof previewView> {
  return {
    funding_policy: fundingPolicyOf(assets, preview.fundingPolicy),
    purchases: preview.purchases.map(({ current, proposed }, index) => {
      const amount = purchases[index]?.amount ?? 0n;
      return { current: quoteOf(assets, current, amount), proposed: quoteOf(assets, proposed, amount) };
    }),
  };
}

function explained(reason: DeclineReason): { reason: DeclineReason; explanation: string } {
  return { reason, explanation: DECLINE_REASON_TEXT[reason] };
}

function quoteOf(assets: AssetCatalog, quote: Quote, amount: bigint): z.input<typeof quoteView> {
  const { decision, snapshot, largestLimitedBy } = quote;
  const cents = (value: bigint) => moneyJson(assets, value, snapshot.currency);
  const legs = decision.legs.map((leg, index) => ({ ...leg, buffer: quote.buffers[index] ?? 0n }));
  const buffers = new Map<string, bigint>();
  for (const leg of legs) buffers.set(leg.asset, (buffers.get(leg.asset) ?? 0n) + leg.buffer);
  const credit = ({ withHolds }: CreditStanding) => ({
    debt: moneyJson(assets, withHolds.debt, snapshot.policy.credit.borrow_asset),
    ltv: ratio(withHolds.ltvBps),
    health: ratio(withHolds.healthBps),
    buffer_used: ratio(withHolds.bufferUsedBps),
  });
  return {
    approvable: decision.outcome === 'approved',
    decline_reason: decision.reason,
    decline_explanation: decision.reason === null ? null : DECLINE_REASON_TEXT[decision.reason],
    amount: cents(amount),
    hold_amount: cents(decision.holdAmount),
    hold: {
      amount: cents(decision.approvedAmount),
      allowance: cents(decision.holdAmount - decision.feeAmount - decision.approvedAmount),
      fee: cents(decision.feeAmount),
      buffers: [...buffers].map(([asset, buffer]) => moneyJson(assets, buffer, asset)),
    },
    expires_at: decision.expiresAt?.toISOString() ?? null,
    largest_amount: cents(decision.largestAmount),
    largest_limited_by: largestLimitedBy === null ? null : explained(largestLimitedBy),
    legs: legs.map((leg) => ({
      kind: leg.kind,
      hold: moneyJson(assets, leg.amount, leg.asset),
      buffer: moneyJson(assets, leg.buffer, leg.asset),
      covers: cents(leg.amountUsd),
      price_usd: formatDecimal(leg.priceUsdE8, 8),
    })),
    options: [...decision.options, ...quote.outsidePolicy].map((option) => ({
      kind: option.kind,
      asset: option.asset,
      capacity: cents(option.capacityUsd),
      used: cents(option.usedUsd),
      rejection: option.rejection,
      explanation: option.rejection === null ? null : OPTION_REJECTION_TEXT[option.rejection],
    })),
    credit_before: credit(quote.creditBefore),
    credit_after: credit(quote.creditAfter),
  };
}
