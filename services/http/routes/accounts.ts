import { createAccount } from '../../accounts/create-account';
import { listAccounts } from '../../accounts/list-accounts';
import { setFundingPolicy } from '../../accounts/set-funding-policy';
import { type AccountRow, type AccountStanding, showAccount } from '../../accounts/show-account';
import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { ensureDepositAddress } from '../../deposits/ensure-deposit-address';
import { fundingPolicyFromStored } from '../../funding/rules/funding-policy';
import { formatId } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, timestampView } from '../schemas/common';
import { fundingInput, fundingPolicyOf, fundingPolicyView, toRequestedFunding } from '../schemas/funding';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyView } from '../schemas/money';
import { ratio, ratioView } from '../schemas/ratio';
import { z } from '../schemas/zod';

const STATES = ['active', 'suspended', 'closed'] as const;

const accountFields = {
  id: idView('account'),
  program_id: idView('program'),
  cardholder_id: idView('cardholder'),
  state: z.enum(STATES),
  address: z.string().nullable(),
  funding_policy: fundingPolicyView,
  time_zone: z.string().openapi({
    description: 'By whose clock limits and hours are told; the cardholder’s own until it is moved.',
  }),
  created_at: timestampView,
  updated_at: timestampView,
};

const accountView = z.strictObject(accountFields).openapi('Account');

const standingView = z
  .strictObject({
    ...accountFields,
    safe_to_spend: moneyView.openapi({
      description: 'The largest purchase that would be approved now, at a merchant without tip.',
    }),
    overdue: moneyView.openapi({
      description: 'Spent, and covered by nothing: no purchase is approved until it is collected from a deposit.',
    }),
    overdue_since: timestampView.nullable(),
    overdue_in_collection: moneyView.openapi({ description: 'What sales under way will pay of it.' }),
    overdue_for: z.array(
      z.strictObject({ transaction_id: idView('cardTransaction'), amount: moneyView, since: timestampView }),
    ),
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
      buffer_used: ratioView.openapi({
        description: 'Below 0 there is room to borrow, at 1 the venue may liquidate; null without debt.',
      }),
      debt_value_with_holds: moneyView.openapi({
        description: 'Holds of open authorizations counted in full as debt.',
      }),
      ltv_with_holds: ratioView,
      health_with_holds: ratioView,
      buffer_used_with_holds: ratioView,
    }),
  })
  .openapi('AccountStanding');

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
        '`sell` uses the stablecoins of the program, `borrow` the loan, `automatic` first the one and then the other, `custom` a list in your order with floors and ceilings.',
      tag,
      access: write,
      params,
      body: fundingInput(assets),
      status: 200,
      view: accountView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { account_id }, body }) => {
          const funding = toRequestedFunding(body);
          const changed = await setFundingPolicy(trx, deps, { organizationId, accountId: account_id, funding });
          return changed.ok ? ok(accountOf(assets, changed.value)) : changed;
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

function accountOf(assets: AssetCatalog, row: AccountRow): z.input<typeof accountView> {
  return {
    id: formatId('account', row.id),
    program_id: formatId('program', row.program_id),
    cardholder_id: formatId('cardholder', row.cardholder_id),
    state: row.state,
    address: row.address,
    funding_policy: fundingPolicyOf(assets, fundingPolicyFromStored(row.funding_policy)),
    time_zone: row.time_zone,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function standingOf(assets: AssetCatalog, standing: AccountStanding): z.input<typeof standingView> {
  const { account, credit, currency } = standing;
  const cents = (amount: bigint) => moneyJson(assets, amount, currency);
  const loan = (amount: bigint) => moneyJson(assets, amount, credit.asset);
  return {
    ...accountOf(assets, account),
    safe_to_spend: cents(standing.safeToSpend),
    overdue: cents(account.overdue_amount),
    overdue_since: standing.overdue.parts[0]?.since.toISOString() ?? null,
    overdue_in_collection: cents(standing.overdue.inCollectionUsd),
    overdue_for: standing.overdue.parts.map((part) => ({
      transaction_id: formatId('cardTransaction', part.cardTransactionId),
      amount: cents(part.amountUsd),
      since: part.since.toISOString(),
    })),
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
      ltv: ratio(credit.drawn.ltvBps),
      health: ratio(credit.drawn.healthBps),
      buffer_used: ratio(credit.drawn.bufferUsedBps),
      debt_value_with_holds: cents(credit.debtWithHoldsUsd),
      ltv_with_holds: ratio(credit.withHolds.ltvBps),
      health_with_holds: ratio(credit.withHolds.healthBps),
      buffer_used_with_holds: ratio(credit.withHolds.bufferUsedBps),
    },
  };
}
