import type { Page, PageRequest } from '../database/page';
import { findPage, findRow, findRowsOf } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { LedgerAccountType } from './draft';
import { countersOfRef, type LedgerAccountRow, type TransferRow } from './ledger.repository';
import { type TrialBalanceLine, trialBalance } from './ledger-report.repository';
import type { Counters } from './rules/account-balance';
import { postedBalance } from './rules/account-balance';

export type { TransferRow };

export interface LedgerAccountBalance {
  readonly account: Pick<LedgerAccountRow, 'id' | 'type' | 'key' | 'asset' | 'account_id'>;
  readonly counters: Counters;
  /** Posted balance on the account's normal side, base units. */
  readonly balance: bigint;
}

export interface LedgerTransactionRow {
  readonly id: string;
  readonly template: string;
  /** Null on the hold of a first request: the authorization's own id makes it unique. */
  readonly idempotency_key: string | null;
  readonly effective_at: Date;
  readonly recorded_at: Date;
}

export interface LedgerTransactionWithTransfers {
  readonly transaction: LedgerTransactionRow;
  readonly transfers: readonly TransferRow[];
}

/** Ledger accounts with their balances as they stand. */
export async function listLedgerAccounts(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly type?: LedgerAccountType | undefined;
    readonly asset?: string | undefined;
    readonly accountId?: string | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<LedgerAccountBalance>> {
  const { organizationId, type, asset, accountId } = input;
  const page = await findPage<LedgerAccountRow>(trx, 'ledger_accounts', organizationId, input.page, {
    where: { type, asset, account_id: accountId },
  });
  const data: LedgerAccountBalance[] = [];
  for (const account of page.data) {
    const counters = await countersOfRef(trx, organizationId, account);
    data.push({ account, counters, balance: postedBalance(account.type, counters) });
  }
  return { data, hasMore: page.hasMore };
}

/** Ledger transactions, newest first. */
export async function listLedgerTransactions(
  trx: Transaction,
  input: { readonly organizationId: string; readonly template?: string | undefined; readonly page: PageRequest },
): Promise<Page<LedgerTransactionRow>> {
  return findPage<LedgerTransactionRow>(trx, 'ledger_transactions', input.organizationId, input.page, {
    where: { template: input.template },
    timeColumn: 'recorded_at',
  });
}

/** One transaction with its transfers, or `not_found`. */
export async function showLedgerTransaction(
  trx: Transaction,
  input: { readonly organizationId: string; readonly ledgerTransactionId: string },
): Promise<Result<LedgerTransactionWithTransfers, Refusal>> {
  const { organizationId, ledgerTransactionId } = input;
  const transaction = await findRow<LedgerTransactionRow>(
    trx,
    'ledger_transactions',
    organizationId,
    ledgerTransactionId,
  );
  if (transaction === undefined) return err(refusal('not_found', 'there is no ledger transaction with this id'));
  const transfers = await findRowsOf<TransferRow>(trx, 'ledger_transfers', organizationId, 'transaction_id', [
    ledgerTransactionId,
  ]);
  return ok({ transaction, transfers });
}

/** Transfers, newest first. */
export async function listTransfers(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly legId?: string | undefined;
    readonly ledgerAccountId?: string | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<TransferRow>> {
  const { organizationId, legId, ledgerAccountId, page } = input;
  return findPage<TransferRow>(trx, 'ledger_transfers', organizationId, page, {
    where: { leg_id: legId },
    timeColumn: 'recorded_at',
    narrow: (query) => {
      if (ledgerAccountId === undefined) return;
      query.where((side) =>
        side.where('debit_account_id', ledgerAccountId).orWhere('credit_account_id', ledgerAccountId),
      );
    },
  });
}

/** Turnover by account type and asset of everything dated before `before`. */
export async function showTrialBalance(
  trx: Transaction,
  input: { readonly organizationId: string; readonly before: Date },
): Promise<readonly TrialBalanceLine[]> {
  return trialBalance(trx, input.organizationId, input.before);
}
