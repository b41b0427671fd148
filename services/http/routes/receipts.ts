import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import {
  type AmendmentReceipt,
  type ExplainedAmendment,
  explainAmendment,
  showAmendmentReceipt,
} from '../../authorizations/explain-amendment';
import {
  type AuthorizationReceipt,
  type ExplainedAuthorization,
  explainAuthorization,
  showAuthorizationReceipt,
} from '../../authorizations/explain-authorization';
import type { ExplainedDecision } from '../../authorizations/explain-decision';
import { DECLINE_REASON_TEXT, DECLINE_REASONS } from '../../authorizations/rules/decline-reason';
import { CHECKS, type Explanation } from '../../authorizations/rules/explain';
import { OPTION_REJECTION_TEXT, OPTION_REJECTIONS } from '../../funding/rules/plan-funding';
import { listReceiptKeys } from '../../receipts/list-receipt-keys';
import type { ReceiptVerdict } from '../../receipts/prove-receipt';
import { formatId } from '../../shared/ids';
import { formatDecimal } from '../../shared/money';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const hashView = z.string().openapi({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, hex.' });

const publicKeyView = z
  .strictObject({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: z.string().openapi({ description: 'The key, base64url.' }),
  })
  .openapi('ReceiptPublicKey');

const proofView = z
  .strictObject({
    batch_id: z.string(),
    leaf_index: z.int(),
    leaf_count: z.int(),
    leaf: hashView.openapi({ description: 'SHA-256 of a zero byte and the receipt’s UTF-8 bytes, hex.' }),
    proof: z.array(hashView).openapi({ description: 'The neighbours from the leaf up to the root (RFC 6962), hex.' }),
    root: hashView,
    market_hash: hashView,
    statement: z.string().openapi({ description: 'What the signature is over, canonical JSON.' }),
    signature: z.string().openapi({ description: 'Ed25519, base64url.' }),
    key_id: z.string().openapi({ description: 'RFC 7638 thumbprint of the key, as in /v1/receipt-keys.' }),
    public_key: publicKeyView.nullable(),
  })
  .openapi('ReceiptProof');

const verificationFields = {
  state: z.enum(['verified', 'unsealed', 'broken']).openapi({
    description: '`unsealed`: recorded without a signed batch. `broken`: it does not fit; `problems` say what.',
  }),
  verified: z.boolean(),
  problems: z.array(z.string()),
  proof: proofView.nullable(),
};

const explanationFields = {
  decided_at: timestampView,
  rules_version: z.string(),
  policy_version: z.int(),
  account_version: z.string(),
  result: z.enum(['approved', 'partially_approved', 'declined']),
  decline: z
    .strictObject({
      reason: z.enum(DECLINE_REASONS),
      text: z.string(),
      refused_by: z
        .strictObject({
          level: z.enum(['program', 'account', 'card']),
          control: z.string(),
          detail: z.string(),
        })
        .nullable()
        .openapi({ description: 'The control that refused, where it was one.' }),
      committed_late: z.boolean().openapi({
        description: 'Decided in time, but committed after the network had stopped listening: nothing is held.',
      }),
    })
    .nullable(),
  text: z.strictObject({
    cardholder: z.string().openapi({ description: 'Plain words that may be shown to the cardholder.' }),
    support: z.string().openapi({ description: 'The same with every figure, for support.' }),
  }),
  requested: moneyView,
  approved: moneyView,
  largest_amount: moneyView,
  balance: moneyView.nullable(),
  checks: z
    .array(
      z.strictObject({
        check: z.enum(CHECKS),
        result: z.enum(['passed', 'failed', 'not_reached', 'not_needed']),
        detail: z.string(),
      }),
    )
    .openapi({ description: 'In the order in which they are made; the first that fails names the reason.' }),
  limits: z.array(
    z.strictObject({
      level: z.enum(['program', 'account', 'card']),
      control: z.string(),
      unit: z.enum(['usd', 'purchases']),
      limit: z.string(),
      used: z.string().openapi({ description: 'Before this purchase.' }),
      left: z.string(),
    }),
  ),
  hold: z
    .strictObject({
      placed: z.boolean().openapi({ description: 'False: what would have been held.' }),
      amount: moneyView,
      allowance: moneyView.openapi({ description: 'For tips and the like at this kind of merchant.' }),
      fee: moneyView,
      total: moneyView,
      conversion_buffer_bps: z.int().openapi({ description: 'Held of tokens on top of what covers the total.' }),
    })
    .nullable(),
  legs: z.array(
    z.strictObject({
      kind: z.enum(['stablecoin_sale', 'loan_draw']),
      held: moneyView,
      covers: moneyView,
      price_usd: z.string(),
    }),
  ),
  options: z.array(
    z.strictObject({
      kind: z.enum(['stablecoin_sale', 'loan_draw']),
      asset: z.string(),
      capacity: moneyView,
      used: moneyView,
      rejection: z
        .strictObject({ reason: z.enum(OPTION_REJECTIONS), text: z.string() })
        .nullable()
        .openapi({ description: 'Why no more of it was used.' }),
    }),
  ),
  prices: z.array(
    z.strictObject({
      asset: z.string(),
      price_usd: z.string(),
      feed: z.string(),
      round_id: z.string(),
      observed_at: timestampView,
      age_seconds: z.int(),
      state: z.enum(['fresh', 'aging', 'stale', 'disputed', 'missing']),
    }),
  ),
  partner: z
    .strictObject({
      decision: z.enum(['approve', 'decline']),
      source: z.enum(['partner', 'stand_in']),
      cause: z.string(),
      reason: z.string().nullable(),
      request_id: z.string().nullable(),
      latency_ms: z.number(),
    })
    .nullable(),
  receipt: z.strictObject({
    ...verificationFields,
    same_answer: z.boolean().nullable().openapi({
      description:
        'Whether the decision, taken again from the receipt by the rules it names, is the same to the unit. Null: they are not here.',
    }),
  }),
};

const decisionView = z.strictObject(explanationFields);

const explanationView = z
  .strictObject({ authorization_id: idView('authorization'), respond_by: timestampView, ...explanationFields })
  .openapi('AuthorizationExplanation');

const amendmentExplanationView = z
  .strictObject({
    authorization_id: idView('authorization'),
    amendment_id: idView('amendment'),
    respond_by: timestampView
      .nullable()
      .openapi({ description: 'Null: the network told of it, and waited for no answer.' }),
    total_before: moneyView.openapi({ description: 'What the purchase came to before.' }),
    ended_before: z.boolean().openapi({
      description: 'The purchase had ended: more for it is decided like a purchase of its own, and opens it again.',
    }),
    given_back: moneyView.openapi({ description: 'What a total below `total_before` gave back.' }),
    ...explanationFields,
  })
  .openapi('AmendmentExplanation');

const receiptFields = {
  receipt: z.string().openapi({ description: 'The receipt itself, canonical JSON (RFC 8785): verify these bytes.' }),
  market: z.string().nullable().openapi({ description: 'Prices that the batch was decided on, canonical JSON.' }),
  ...verificationFields,
};

const receiptView = z
  .strictObject({ authorization_id: idView('authorization'), ...receiptFields })
  .openapi('AuthorizationReceipt');

const amendmentReceiptView = z
  .strictObject({ authorization_id: idView('authorization'), amendment_id: idView('amendment'), ...receiptFields })
  .openapi('AmendmentReceipt');

const keyView = z
  .strictObject({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: z.string(),
    kid: z.string().openapi({ description: 'RFC 7638 thumbprint.' }),
    use: z.literal('sig'),
    alg: z.literal('EdDSA'),
    created_at: timestampView,
    retired_at: timestampView
      .nullable()
      .openapi({ description: 'When another key took over; its signatures stay valid.' }),
  })
  .openapi('ReceiptKey');

export function receiptRoutes({ assets }: RouteDeps): AnyRoute[] {
  const access = { kind: 'organization', scope: 'read' } as const;
  const params = z.strictObject({ authorization_id: idInput('authorization') });
  const amendmentParams = z.strictObject({
    authorization_id: idInput('authorization'),
    amendment_id: idInput('amendment'),
  });
  return [
    route({
      method: 'get',
      path: '/v1/authorizations/{authorization_id}/explain',
      operationId: 'explainAuthorization',
      summary: 'Why an authorization was answered as it was',
      description:
        'The first decision, approved or declined, taken apart from its signed receipt. Decisions on more for the purchase are explained under its amendments.',
      tag: 'Authorizations',
      access,
      params,
      status: 200,
      view: explanationView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { authorization_id } }) => {
          const explained = await explainAuthorization(trx, { organizationId, authorizationId: authorization_id });
          return explained.ok ? ok(explanationOf(assets, explained.value)) : explained;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/authorizations/{authorization_id}/receipt',
      operationId: 'getAuthorizationReceipt',
      summary: 'The signed receipt of a decision, with its proof',
      description: 'All it takes to verify the decision without us: save the answer and run `npm run verify-receipt`.',
      tag: 'Authorizations',
      access,
      params,
      status: 200,
      view: receiptView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { authorization_id } }) => {
          const shown = await showAuthorizationReceipt(trx, { organizationId, authorizationId: authorization_id });
          return shown.ok ? ok(receiptOf(shown.value)) : shown;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/authorizations/{authorization_id}/amendments/{amendment_id}/explain',
      operationId: 'explainAmendment',
      summary: 'Why a later message on an authorization was answered as it was',
      description:
        'An increment, approved, declined or too late, a total that the network told, or an inquiry that named the purchase, taken apart from its signed receipt. ' +
        'What came too late, or is no more than before, was not worked out: `largest_amount` is zero.',
      tag: 'Authorizations',
      access,
      params: amendmentParams,
      status: 200,
      view: amendmentExplanationView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { authorization_id, amendment_id } }) => {
          const key = { organizationId, authorizationId: authorization_id, amendmentId: amendment_id };
          const explained = await explainAmendment(trx, key);
          return explained.ok ? ok(amendmentExplanationOf(assets, explained.value)) : explained;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/authorizations/{authorization_id}/amendments/{amendment_id}/receipt',
      operationId: 'getAmendmentReceipt',
      summary: 'The signed receipt of an answer to a later message on an authorization, with its proof',
      description: 'All it takes to verify the decision without us: save the answer and run `npm run verify-receipt`.',
      tag: 'Authorizations',
      access,
      params: amendmentParams,
      status: 200,
      view: amendmentReceiptView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { authorization_id, amendment_id } }) => {
          const key = { organizationId, authorizationId: authorization_id, amendmentId: amendment_id };
          const shown = await showAmendmentReceipt(trx, key);
          return shown.ok ? ok(amendmentReceiptOf(shown.value)) : shown;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/receipt-keys',
      operationId: 'listReceiptKeys',
      summary: 'The public keys that receipts are signed with, retired ones too (JWKS)',
      tag: 'Authorizations',
      access,
      status: 200,
      view: z.strictObject({ keys: z.array(keyView) }).openapi('ReceiptKeys'),
      handler: {
        kind: 'read',
        run: async (trx) => {
          const keys = await listReceiptKeys(trx);
          return ok({
            keys: keys.map(({ keyId, jwk, createdAt, retiredAt }) => ({
              ...jwk,
              kid: keyId,
              use: 'sig' as const,
              alg: 'EdDSA' as const,
              created_at: createdAt.toISOString(),
              retired_at: retiredAt?.toISOString() ?? null,
            })),
          });
        },
      },
    }),
  ];
}

function verificationOf({ state, problems, proof }: ReceiptVerdict, marketHash: string) {
  return {
    state,
    verified: state === 'verified',
    problems: [...problems],
    proof: proof && {
      batch_id: proof.batchId,
      leaf_index: proof.leafIndex,
      leaf_count: proof.leafCount,
      leaf: proof.leaf,
      proof: [...proof.proof],
      root: proof.root,
      market_hash: marketHash,
      statement: proof.statement,
      signature: proof.signature,
      key_id: proof.keyId,
      public_key: proof.publicKey,
    },
  };
}

function receiptOf({ authorization, receipt, verdict }: AuthorizationReceipt): z.input<typeof receiptView> {
  return {
    authorization_id: formatId('authorization', authorization.id),
    receipt: authorization.receipt,
    market: verdict.proof?.market ?? null,
    ...verificationOf(verdict, receipt.market),
  };
}

function amendmentReceiptOf({
  amendment,
  text,
  receipt,
  verdict,
}: AmendmentReceipt): z.input<typeof amendmentReceiptView> {
  return {
    authorization_id: formatId('authorization', amendment.authorization_id),
    amendment_id: formatId('amendment', amendment.id),
    receipt: text,
    market: verdict.proof?.market ?? null,
    ...verificationOf(verdict, receipt.market),
  };
}

function explanationOf(assets: AssetCatalog, explained: ExplainedAuthorization): z.input<typeof explanationView> {
  return {
    authorization_id: formatId('authorization', explained.authorization.id),
    respond_by: explained.authorization.respond_by.toISOString(),
    ...decisionOf(assets, explained),
  };
}

function amendmentExplanationOf(
  assets: AssetCatalog,
  explained: ExplainedAmendment,
): z.input<typeof amendmentExplanationView> {
  const { amendment, explanation } = explained;
  return {
    authorization_id: formatId('authorization', amendment.authorization_id),
    amendment_id: formatId('amendment', amendment.id),
    respond_by: amendment.respond_by?.toISOString() ?? null,
    total_before: moneyJson(assets, amendment.total_before, 'USD'),
    ended_before: explanation.amends?.ended ?? false,
    given_back: moneyJson(assets, amendment.given_back ?? 0n, 'USD'),
    ...decisionOf(assets, explained),
  };
}

function decisionOf(assets: AssetCatalog, explained: ExplainedDecision): z.input<typeof decisionView> {
  const { receipt, explanation, takenAgain, verdict } = explained;
  const cents = (amount: bigint) => moneyJson(assets, amount, 'USD');
  return {
    decided_at: receipt.at,
    rules_version: receipt.rules,
    policy_version: receipt.policy,
    account_version: receipt.account.version,
    result: explanation.result,
    decline: declineOf(explanation),
    text: { cardholder: explained.cardholderText, support: explained.supportText },
    requested: cents(explanation.requested),
    approved: cents(explanation.approved),
    largest_amount: cents(explanation.largest),
    balance: explanation.balance === null ? null : cents(explanation.balance),
    checks: [...explanation.checks],
    limits: explanation.limits.map(({ level, control, unit, limit, used, left }) => {
      const text = (amount: bigint) => (unit === 'cents' ? formatDecimal(amount, 2) : amount.toString());
      return {
        level,
        control,
        unit: unit === 'cents' ? ('usd' as const) : unit,
        limit: text(limit),
        used: text(used),
        left: text(left),
      };
    }),
    hold: explanation.hold && {
      placed: explanation.hold.placed,
      amount: cents(explanation.hold.amount),
      allowance: cents(explanation.hold.allowance),
      fee: cents(explanation.hold.fee),
      total: cents(explanation.hold.total),
      conversion_buffer_bps: explanation.hold.conversionBufferBps,
    },
    legs: explanation.legs.map((leg) => ({
      kind: leg.kind,
      held: moneyJson(assets, leg.amount, leg.asset),
      covers: cents(leg.amountUsd),
      price_usd: formatDecimal(leg.priceUsdE8, 8),
    })),
    options: explanation.options.map((option) => ({
      kind: option.kind,
      asset: option.asset,
      capacity: cents(option.capacityUsd),
      used: cents(option.usedUsd),
      rejection:
        option.rejection === null ? null : { reason: option.rejection, text: OPTION_REJECTION_TEXT[option.rejection] },
    })),
    prices: explanation.prices.map((price) => ({
      asset: price.asset,
      price_usd: formatDecimal(price.priceUsdE8, 8),
      feed: price.feed,
      round_id: price.roundId.toString(),
      observed_at: price.observedAt.toISOString(),
      age_seconds: price.ageSeconds,
      state: price.state,
    })),
    partner: explanation.partner && {
      decision: explanation.partner.decision,
      source: explanation.partner.source,
      cause: explanation.partner.cause,
      reason: explanation.partner.reason,
      request_id: explanation.partner.requestId,
      latency_ms: explanation.partner.latencyMs,
    },
    receipt: { ...verificationOf(verdict, receipt.market), same_answer: takenAgain?.same ?? null },
  };
}

function declineOf({ reason, refusedBy, committedLate }: Explanation) {
  if (reason === null) return null;
  return {
    reason,
    text: DECLINE_REASON_TEXT[reason],
    refused_by: refusedBy ?? null,
    committed_late: committedLate,
  };
}
