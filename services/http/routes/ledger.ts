import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { LEDGER_ACCOUNT_TYPES, type LedgerAccountType } from '../../ledger/draft';
import {
  type LedgerAccountBalance,
  type LedgerTransactionRow,
  listLedgerAccounts,
  listLedgerTransactions,
  listTransfers,
  showLedgerTransaction,
  showTrialBalance,
  type TransferRow,
} from '../../ledger/read-ledger';
import { formatId } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { dateInput, idInput, idView, optionalId, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

const TYPES = Object.keys(LEDGER_ACCOUNT_TYPES) as LedgerAccountType[];

const accountView = z
  .strictObject({
    id: idView('ledgerAccount'),
    type: z.enum(TYPES),
    key: z.string(),
    account_id: idView('account').nullable(),
    balance: moneyView.openapi({ description: 'Posted, on the normal side of the account; may be negative.' }),
    pending_debits: moneyView,
    pending_credits: moneyView,
  })
  .openapi('LedgerAccount');

const transferView = z
  .strictObject({
    id: idView('transfer'),
    transaction_id: idView('ledgerTransaction'),
    label: z.string(),
    kind: z.enum(['posted', 'pending', 'post_pending', 'void_pending', 'expire_pending']),
    debit_account_id: idView('ledgerAccount'),
    credit_account_id: idView('ledgerAccount'),
    amount: moneyView,
    pending_transfer_id: idView('transfer').nullable(),
    leg_id: idView('fundingLeg').nullable(),
    recorded_at: timestampView,
  })
  .openapi('Transfer');

const transactionFields = {
  id: idView('ledgerTransaction'),
  template: z.string(),
  idempotency_key: z.string().nullable().openapi({
    description:
      'Null for the hold of a first request: it has the hex digits of its authorization’s id, and is unique by them.',
  }),
  effective_at: timestampView,
  recorded_at: timestampView,
};
const transactionView = z.strictObject(transactionFields).openapi('LedgerTransaction');
const transactionDetailView = z
  .strictObject({ ...transactionFields, transfers: z.array(transferView) })
  .openapi('LedgerTransactionDetail');

const trialBalanceView = z
  .strictObject({
    before: timestampView,
    lines: z.array(z.strictObject({ type: z.enum(TYPES), asset: z.string(), debits: moneyView, credits: moneyView })),
    totals: z
      .array(z.strictObject({ asset: z.string(), debits: moneyView, credits: moneyView }))
      .openapi({ description: 'Debits equal credits for every asset.' }),
  })
  .openapi('TrialBalance');

export function ledgerRoutes({ assets, clock }: RouteDeps): AnyRoute[] {
  const access = { kind: 'organization', scope: 'read' } as const;
  const tag = 'Ledger';
  return [
    route({
      method: 'get',
      path: '/v1/ledger/accounts',
      operationId: 'listLedgerAccounts',
      summary: 'Ledger accounts with their balances',
      tag,
      access,
      query: listQuery('ledgerAccount', {
        type: z.enum(TYPES).optional(),
        asset: z.enum([...assets.keys()]).optional(),
        account_id: idInput('account').optional(),
      }),
      status: 200,
      view: listView(accountView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const { type, asset, account_id: accountId } = query;
          const page = await listLedgerAccounts(trx, {
            organizationId,
            type,
            asset,
            accountId,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => ledgerAccountOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/ledger/transactions',
      operationId: 'listLedgerTransactions',
      summary: 'Ledger transactions, newest first',
      tag,
      access,
      query: listQuery('ledgerTransaction', { template: z.string().max(80).optional() }),
      status: 200,
      view: listView(transactionView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const { template } = query;
          const page = await listLedgerTransactions(trx, { organizationId, template, page: toPageRequest(query) });
          return ok(toListView(page, transactionOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/ledger/transactions/{ledger_transaction_id}',
      operationId: 'getLedgerTransaction',
      summary: 'A ledger transaction with its transfers',
      tag,
      access,
      params: z.strictObject({ ledger_transaction_id: idInput('ledgerTransaction') }),
      status: 200,
      view: transactionDetailView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params }) => {
          const shown = await showLedgerTransaction(trx, {
            organizationId,
            ledgerTransactionId: params.ledger_transaction_id,
          });
          if (!shown.ok) return shown;
          const { transaction, transfers } = shown.value;
          return ok({ ...transactionOf(transaction), transfers: transfers.map((row) => transferOf(assets, row)) });
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/ledger/transfers',
      operationId: 'listTransfers',
      summary: 'Transfers, newest first',
      tag,
      access,
      query: listQuery('transfer', {
        leg_id: idInput('fundingLeg').optional(),
        ledger_account_id: idInput('ledgerAccount').optional(),
      }),
      status: 200,
      view: listView(transferView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listTransfers(trx, {
            organizationId,
            legId: query.leg_id,
            ledgerAccountId: query.ledger_account_id,
            page: toPageRequest(query),
          });
          return ok(toListView(page, (row) => transferOf(assets, row)));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/ledger/trial-balance',
      operationId: 'getTrialBalance',
      summary: 'Turnover by account type and asset',
      tag,
      access,
      query: z.strictObject({
        date: dateInput
          .optional()
          .openapi({ description: 'Up to the end of this day, UTC; everything when left out.' }),
      }),
      status: 200,
      view: trialBalanceView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const before = endOf(query.date, clock.now());
          const lines = await showTrialBalance(trx, { organizationId, before });
          const totals = new Map<string, { debits: bigint; credits: bigint }>();
          for (const { asset, debits, credits } of lines) {
            const total = totals.get(asset) ?? { debits: 0n, credits: 0n };
            totals.set(asset, { debits: total.debits + debits, credits: total.credits + credits });
          }
          return ok({
            before: before.toISOString(),
            lines: lines.map(({ type, asset, debits, credits }) => ({
              type,
              asset,
              debits: moneyJson(assets, debits, asset),
              credits: moneyJson(assets, credits, asset),
            })),
            totals: [...totals].map(([asset, total]) => ({
              asset,
              debits: moneyJson(assets, total.debits, asset),
              credits: moneyJson(assets, total.credits, asset),
            })),
          });
        },
      },
    }),
  ];
}

const DAY_MS = 86_400_000;

/** The instant after the named day, or one that is after everything dated so far. */
function endOf(date: string | undefined, now: Date): Date {
  return new Date((date === undefined ? now.getTime() : Date.parse(`${date}T00:00:00Z`)) + DAY_MS);
}

function ledgerAccountOf(
  assets: AssetCatalog,
  { account, counters, balance }: LedgerAccountBalance,
): z.input<typeof accountView> {
  return {
    id: formatId('ledgerAccount', account.id),
    type: account.type,
    key: account.key,
    account_id: optionalId('account', account.account_id),
    balance: moneyJson(assets, balance, account.asset),
    pending_debits: moneyJson(assets, counters.pendingDebits, account.asset),
    pending_credits: moneyJson(assets, counters.pendingCredits, account.asset),
  };
}

function transactionOf(row: LedgerTransactionRow): z.input<typeof transactionView> {
  return {
    id: formatId('ledgerTransaction', row.id),
    template: row.template,
    idempotency_key: row.idempotency_key,
    effective_at: row.effective_at.toISOString(),
    recorded_at: row.recorded_at.toISOString(),
  };
}

function transferOf(assets: AssetCatalog, row: TransferRow): z.input<typeof transferView> {
  return {
    id: formatId('transfer', row.id),
    transaction_id: formatId('ledgerTransaction', row.transaction_id),
    label: row.label,
    kind: row.kind,
    debit_account_id: formatId('ledgerAccount', row.debit_account_id),
    credit_account_id: formatId('ledgerAccount', row.credit_account_id),
    amount: moneyJson(assets, row.amount, row.asset),
    pending_transfer_id: optionalId('transfer', row.pending_transfer_id),
    leg_id: optionalId('fundingLeg', row.leg_id),
    recorded_at: row.recorded_at.toISOString(),
  };
}
