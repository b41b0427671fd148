import { createAccount } from '../../accounts/create-account';
import { listAccounts } from '../../accounts/list-accounts';
import { type RequestedFunding, setFundingPolicy } from '../../accounts/set-funding-policy';
import { type AccountRow, type AccountStanding, showAccount } from '../../accounts/show-account';
import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { type Quote, quoteSpend } from '../../authorizations/quote-spend';
import { ensureDepositAddress } from '../../deposits/ensure-deposit-address';
import { FUNDING_MODES, type FundingSource, fundingPolicyFromStored } from '../../funding/rules/funding-policy';
import { OPTION_REJECTIONS } from '../../funding/rules/plan-funding';
import { formatId } from '../../shared/ids';
import { formatDecimal } from '../../shared/money';
import { ratioText } from '../../shared/ratio';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { countryInput, idInput, idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyInput, moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const STATES = ['active', 'suspended', 'closed'] as const;

const sourceView = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('stablecoin'), asset: z.string(), keep: moneyView }),
  z.strictObject({ kind: z.literal('loan'), ltv_max_bps: z.int().nullable() }),
]);

const fundingPolicyView = z
  .strictObject({ mode: z.enum(FUNDING_MODES), sources: z.array(sourceView) })
  .openapi('FundingPolicy', { description: 'Sources in the order in which purchases use them.' });

const accountFields = {
  id: idView('account'),
  program_id: idView('program'),
  cardholder_id: idView('cardholder'),
  state: z.enum(STATES),
  address: z.string().nullable(),
  funding_policy: fundingPolicyView,
  created_at: timestampView,
  updated_at: timestampView,
};

const ratioView = z
  .string()
  .nullable()
  .openapi({ example: '0.4321', description: 'Four decimals; null when there is nothing to divide by.' });

const accountView = z.strictObject(accountFields).openapi('Account');

const standingView = z
  .strictObject({
    ...accountFields,
    safe_to_spend: moneyView.openapi({
      description: 'The largest purchase that would be approved now, at a merchant without tip.',
    }),
    overdue: moneyView,
    balances: z.array(
      z.strictObject({
        asset: z.string(),
        available: moneyView,
        held: moneyView.openapi({ description: 'Held by open authorizations and by moves on their way.' }),
        total: moneyView,
      }),
    ),
    collateral: z.array(
      z.strictObject({
        asset: z.string(),
        amount: moneyView,
        value: moneyView,
        price_state: z.enum(['fresh', 'aging', 'stale', 'disputed', 'missing']),
      }),
    ),
    credit: z.strictObject({
      agreement_accepted: z.boolean(),
      debt: moneyView.openapi({
        description: 'Owed on chain with interest, rounded up, and what is on its way there.',
      }),
      owed: moneyView,
      unconfirmed: moneyView,
      held: moneyView,
      available: moneyView,
      limited_by: z.string(),
      debt_value: moneyView,
      collateral_value: moneyView,
      borrow_limit: moneyView,
      liquidation_limit: moneyView,
      ltv: ratioView,
      health: ratioView,
      buffer_used: ratioView.openapi({ description: 'Below 0 there is room to borrow, at 1 the venue may liquidate.' }),
      ltv_with_holds: ratioView,
      health_with_holds: ratioView,
    }),
  })
  .openapi('AccountStanding');

const quoteView = z
  .strictObject({
    approvable: z.boolean(),
    decline_reason: z.string().nullable(),
    amount: moneyView,
    hold_amount: moneyView.openapi({
      description: 'What would be held: the amount and the allowance of the merchant category.',
    }),
    largest_amount: moneyView,
    legs: z.array(
      z.strictObject({
        kind: z.enum(['stablecoin_sale', 'loan_draw']),
        hold: moneyView,
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
        rejection: z.enum(OPTION_REJECTIONS).nullable(),
      }),
    ),
  })
  .openapi('Quote');

const depositAddressView = z
  .strictObject({
    id: idView('depositAddress'),
    account_id: idView('account'),
    chain_id: z.int(),
    address: z.string(),
    assets: z.array(z.string()),
    created_at: timestampView,
  })
  .openapi('DepositAddress');

const params = z.strictObject({ account_id: idInput('account') });
const tag = 'Accounts';
const write = { kind: 'organization', scope: 'accounts:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

export function accountRoutes(deps: RouteDeps): AnyRoute[] {
  const { assets } = deps;
  const stablecoins = [...assets.values()].filter((asset) => asset.kind === 'stablecoin').map((asset) => asset.code);
  const sourceInput = z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('stablecoin'),
      asset: z.enum(stablecoins),
      keep: moneyInput(assets, { kinds: ['stablecoin'], zeroAllowed: true })
        .optional()
        .openapi({ description: 'What stays untouched, in the asset itself.' }),
    }),
    z.strictObject({ kind: z.literal('loan'), ltv_max_bps: z.int().min(1).max(9_500).nullable().default(null) }),
  ]);
  const customFunding = z
    .strictObject({ mode: z.literal('custom'), sources: z.array(sourceInput).min(1).max(10) })
    .superRefine(({ sources }, context) => {
      for (const [index, source] of sources.entries()) {
        if (source.kind !== 'stablecoin' || source.keep === undefined || source.keep.asset === source.asset) continue;
        context.addIssue({
          code: 'custom',
          path: ['sources', index, 'keep', 'asset'],
          message: `must be ${source.asset}, the asset of the source`,
          params: { problem: 'wrong_asset' },
        });
      }
    });
  const fundingInput = z.discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('sell') }),
    z.strictObject({ mode: z.literal('borrow') }),
    customFunding,
  ]);

  return [
    route({
      method: 'post',
      path: '/v1/accounts',
      operationId: 'createAccount',
      summary: 'Open a spending account for a verified cardholder',
      tag,
      access: write,
      body: z.strictObject({ program_id: idInput('program'), cardholder_id: idInput('cardholder') }),
      status: 201,
      view: accountView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) => {
          const created = await createAccount(trx, deps, {
            organizationId,
            programId: body.program_id,
            cardholderId: body.cardholder_id,
          });
          return created.ok ? ok(accountOf(assets, created.value)) : created;
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/accounts',
      operationId: 'listAccounts',
      summary: 'Accounts, newest first, without balances',
      tag,
      access: read,
      query: listQuery('account', {
        program_id: idInput('program').optional(),
        cardholder_id: idInput('cardholder').optional(),
        state: z.enum(STATES).optional(),
      }),
      status: 200,
      view: listView(accountView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listAccounts(trx, {
            organizationId,
            programId: query.program_id,
            cardholderId: query.cardholder_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => accountOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/accounts/{account_id}',
      operationId: 'getAccount',
      summary: 'An account with balances, collateral, debt, LTV, health and what is safe to spend',
      tag,
      access: read,
      params,
      status: 200,
      view: standingView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id } }) => {
          const shown = await showAccount(trx, deps, { organizationId, accountId: account_id });
          return shown.ok ? ok(standingOf(assets, shown.value)) : shown;
        },
      },
    }),
    route({
      method: 'put',
      path: '/v1/accounts/{account_id}/funding-policy',
      operationId: 'setFundingPolicy',
      summary: 'Set how purchases are funded',
      description:
        '`sell` uses the stablecoins of the program, `borrow` the loan, `custom` a list in your order with floors and ceilings.',
      tag,
      access: write,
      params,
      body: fundingInput,
      status: 200,
      view: accountView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const funding: RequestedFunding =
            body.mode === 'custom' ? { mode: 'custom', sources: body.sources.map(toSource) } : { mode: body.mode };
          const changed = await setFundingPolicy(trx, deps, { organizationId, accountId: account_id, funding });
          return changed.ok ? ok(accountOf(assets, changed.value)) : changed;
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/accounts/{account_id}/quote',
      operationId: 'quoteSpend',
      summary: 'What an authorization of this amount would be answered now',
      description: 'Holds nothing, so it takes no Idempotency-Key. The same rules as an authorization, to the unit.',
      tag,
      access: read,
      params,
      body: z.strictObject({
        amount: moneyInput(assets, { assets: ['USD'] }),
        mcc: z
          .string()
          .regex(/^\d{4}$/, 'must be a merchant category code of four digits')
          .optional(),
        merchant_country: countryInput.optional(),
        channel: z
          .enum(['ecommerce', 'contactless', 'chip', 'magstripe', 'manual', 'atm', 'recurring', 'unknown'])
          .optional(),
        card_id: idInput('card').optional(),
      }),
      status: 200,
      view: quoteView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const quoted = await quoteSpend(trx, deps, {
            organizationId,
            accountId: account_id,
            cardId: body.card_id ?? null,
            amount: body.amount.amount,
            mcc: body.mcc ?? null,
            merchantCountry: body.merchant_country ?? null,
            channel: body.channel ?? null,
          });
          return quoted.ok ? ok(quoteOf(assets, quoted.value, body.amount.amount)) : quoted;
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/accounts/{account_id}/deposit-addresses',
      operationId: 'createDepositAddress',
      summary: 'The address at which deposits of the account arrive',
      description: 'One for each chain, the same whenever it is asked for.',
      tag: 'Deposits',
      access: write,
      params,
      status: 201,
      view: depositAddressView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { account_id } }) => {
          const ensured = await ensureDepositAddress(trx, deps, { organizationId, accountId: account_id });
          if (!ensured.ok) return ensured;
          const { id, accountId, chainId, address, assets: codes, createdAt } = ensured.value;
          return ok({
            id: formatId('depositAddress', id),
            account_id: formatId('account', accountId),
            chain_id: chainId,
            address,
            assets: [...codes],
            created_at: createdAt.toISOString(),
          });
        },
      },
    }),
  ];
}

function toSource(
  source:
    | { kind: 'stablecoin'; asset: string; keep?: { amount: bigint } | undefined }
    | { kind: 'loan'; ltv_max_bps: number | null },
): FundingSource {
  return source.kind === 'loan'
    ? { kind: 'loan', ltvMaxBps: source.ltv_max_bps }
    : { kind: 'stablecoin', asset: source.asset, keep: source.keep?.amount ?? 0n };
}

function accountOf(assets: AssetCatalog, row: AccountRow): z.input<typeof accountView> {
  const policy = fundingPolicyFromStored(row.funding_policy);
  return {
    id: formatId('account', row.id),
    program_id: formatId('program', row.program_id),
    cardholder_id: formatId('cardholder', row.cardholder_id),
    state: row.state,
    address: row.address,
    funding_policy: {
      mode: policy.mode,
      sources: policy.sources.map((source) =>
        source.kind === 'loan'
          ? { kind: 'loan' as const, ltv_max_bps: source.ltvMaxBps }
          : { kind: 'stablecoin' as const, asset: source.asset, keep: moneyJson(assets, source.keep, source.asset) },
      ),
    },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** Basis points as a ratio with four decimals. */
function ratio(bps: bigint | null): string | null {
  return bps === null ? null : ratioText(bps, 10_000n);
}

function standingOf(assets: AssetCatalog, standing: AccountStanding): z.input<typeof standingView> {
  const { account, credit, currency } = standing;
  const cents = (amount: bigint) => moneyJson(assets, amount, currency);
  const loan = (amount: bigint) => moneyJson(assets, amount, credit.asset);
  return {
    ...accountOf(assets, account),
    safe_to_spend: cents(standing.safeToSpend),
    overdue: cents(account.overdue_amount),
    balances: standing.holdings
      .filter((holding) => holding.type === 'cardholder.funds')
      .map(({ asset, posted, held }) => ({
        asset,
        available: moneyJson(assets, posted - held, asset),
        held: moneyJson(assets, held, asset),
        total: moneyJson(assets, posted, asset),
      })),
    collateral: standing.collateral.map(({ asset, amount, valueUsd, priceState }) => ({
      asset,
      amount: moneyJson(assets, amount, asset),
      value: cents(valueUsd),
      price_state: priceState,
    })),
    credit: {
      agreement_accepted: credit.agreementAccepted,
      debt: loan(credit.owed + credit.unconfirmed),
      owed: loan(credit.owed),
      unconfirmed: loan(credit.unconfirmed),
      held: loan(credit.held),
      available: loan(credit.available),
      limited_by: credit.limitedBy,
      debt_value: cents(credit.debtUsd),
      collateral_value: cents(credit.collateralUsd),
      borrow_limit: cents(credit.borrowLimitUsd),
      liquidation_limit: cents(credit.liquidationLimitUsd),
      ltv: ratio(credit.ltvBps),
      health: ratio(credit.healthBps),
      buffer_used: ratio(credit.bufferUsedBps),
      ltv_with_holds: ratio(credit.ltvWithHoldsBps),
      health_with_holds: ratio(credit.healthWithHoldsBps),
    },
  };
}

function quoteOf(assets: AssetCatalog, { decision, snapshot }: Quote, amount: bigint): z.input<typeof quoteView> {
  const cents = (value: bigint) => moneyJson(assets, value, snapshot.currency);
  return {
    approvable: decision.outcome === 'approved',
    decline_reason: decision.reason,
    amount: cents(amount),
    hold_amount: cents(decision.holdAmount),
    largest_amount: cents(decision.largestAmount),
    legs: decision.legs.map((leg) => ({
      kind: leg.kind,
      hold: moneyJson(assets, leg.amount, leg.asset),
      covers: cents(leg.amountUsd),
      price_usd: formatDecimal(leg.priceUsdE8, 8),
    })),
    options: decision.options.map((option) => ({
      kind: option.kind,
      asset: option.asset,
      capacity: cents(option.capacityUsd),
      used: cents(option.usedUsd),
      rejection: option.rejection,
    })),
  };
}
