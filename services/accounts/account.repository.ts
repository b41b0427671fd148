import type { PendingControls, SpendControls } from '../cards/rules/spend-controls';
import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { StoredFundingPolicy } from '../funding/rules/funding-policy';
import { required } from '../shared/assert';

export type AccountState = 'active' | 'suspended' | 'closed';

/** A row of `accounts`, columns as they are named there. Amounts are base units, `overdue_amount` in cents. */
export interface AccountRow {
  readonly organization_id: string;
  readonly id: string;
  readonly program_id: string;
  readonly cardholder_id: string;
  readonly state: AccountState;
  readonly chain_index: number;
  readonly address: string | null;
  readonly funding_policy: StoredFundingPolicy;
  readonly time_zone: string;
  readonly controls: SpendControls;
  readonly controls_version: number;
  /** What waits for the program's cooling-off. */
  readonly pending_controls: PendingControls | null;
  readonly version: bigint;
  readonly debt_shares: bigint;
  readonly loan_hold: bigint;
  readonly loan_unconfirmed: bigint;
  readonly overdue_amount: bigint;
  readonly delegation_left: bigint;
  readonly credit_agreement_id: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function findAccount(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<AccountRow | undefined> {
  return trx<AccountRow>('accounts').where({ organization_id: organizationId, id: accountId }).first();
}

/**
 * The account's row, locked until the transaction ends. Whoever changes a decision input of an account takes this lock
 * first (before any ledger account) and moves the version with {@link bumpAccountVersion}.
 */
export async function lockAccount(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<AccountRow | undefined> {
  return trx<AccountRow>('accounts').where({ organization_id: organizationId, id: accountId }).forUpdate().first();
}

/** Makes an authorization that was decided on the older state decide again. Call it under {@link lockAccount}. */
export async function bumpAccountVersion(trx: Transaction, organizationId: string, accountId: string): Promise<void> {
  await trx('accounts')
    .where({ organization_id: organizationId, id: accountId })
    .update({ version: trx.raw('version + 1'), updated_at: trx.fn.now() });
}

/** The next free index of a derived key (custody port); gaps are harmless. */
export async function nextChainIndex(trx: Transaction): Promise<number> {
  const result: { rows: { index: string | bigint | number }[] } = await trx.raw(
    "SELECT nextval('accounts_chain_index_seq')::int AS index",
  );
  return Number(result.rows[0]?.index);
}

export type NewAccountRow = Pick<
  AccountRow,
  'organization_id' | 'id' | 'program_id' | 'cardholder_id' | 'chain_index' | 'address' | 'funding_policy' | 'time_zone'
>;

export async function insertAccount(trx: Transaction, row: NewAccountRow): Promise<AccountRow> {
  const rows = await trx('accounts')
    .insert({ ...row, funding_policy: JSON.stringify(row.funding_policy) })
    .returning<AccountRow[]>('*');
  const inserted = rows[0];
  if (inserted === undefined) throw new Error('the new account was not returned');
  return inserted;
}

export async function updateFundingPolicy(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  policy: StoredFundingPolicy,
): Promise<void> {
  await trx('accounts')
    .where({ organization_id: organizationId, id: accountId })
    .update({
      funding_policy: JSON.stringify(policy),
      version: trx.raw('version + 1'),
      updated_at: trx.fn.now(),
    });
}

/** Under {@link lockAccount}. */
export async function updateTimeZone(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  timeZone: string,
): Promise<AccountRow> {
  const rows = await trx('accounts')
    .where({ organization_id: organizationId, id: accountId })
    .update({ time_zone: timeZone, version: trx.raw('version + 1'), updated_at: trx.fn.now() })
    .returning<AccountRow[]>('*');
  return required(rows[0], `account ${accountId}`);
}

/** Replaces the account's controls and what waits to take their place. Under {@link lockAccount}. */
export async function updateControls(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  change: { readonly controls: SpendControls; readonly pending: PendingControls | null; readonly version: number },
): Promise<AccountRow> {
  const rows = await trx('accounts')
    .where({ organization_id: organizationId, id: accountId })
    .update({
      controls: JSON.stringify(change.controls),
      controls_version: change.version,
      pending_controls: change.pending === null ? null : JSON.stringify(change.pending),
      version: trx.raw('version + 1'),
      updated_at: trx.fn.now(),
    })
    .returning<AccountRow[]>('*');
  return required(rows[0], `account ${accountId}`);
}

/** What an account holds in one materialised ledger account, base units. `free` is what is neither spent nor held. */
export interface HoldingRow {
  readonly type: 'cardholder.funds' | 'cardholder.collateral';
  readonly asset: string;
  readonly posted: bigint;
  readonly held: bigint;
}

export async function findHoldings(trx: Transaction, organizationId: string, accountId: string): Promise<HoldingRow[]> {
  return trx('ledger_accounts')
    .where({ organization_id: organizationId, account_id: accountId })
    .whereIn('type', ['cardholder.funds', 'cardholder.collateral'])
    .orderBy(['type', 'asset'])
    .select<HoldingRow[]>(
      'type',
      'asset',
      trx.raw('posted_credits - posted_debits AS posted'),
      trx.raw('pending_debits AS held'),
    );
}

/** What decides whether an account may be opened. */
export interface OpeningTerms {
  readonly program_state: string;
  readonly cardholder_program_id: string;
  readonly kyc_state: string;
  readonly time_zone: string;
}

export async function findOpeningTerms(
  trx: Transaction,
  organizationId: string,
  programId: string,
  cardholderId: string,
): Promise<OpeningTerms | undefined> {
  return trx('cardholders as h')
    .join('programs as p', 'p.organization_id', 'h.organization_id')
    .where({ 'h.organization_id': organizationId, 'h.id': cardholderId, 'p.id': programId })
    .first<OpeningTerms | undefined>(
      'p.state as program_state',
      'h.program_id as cardholder_program_id',
      'h.kyc_state',
      'h.time_zone',
    );
}

export async function findAccounts(
  trx: Transaction,
  organizationId: string,
  page: PageRequest,
  filter: {
    readonly programId?: string | undefined;
    readonly cardholderId?: string | undefined;
    readonly state?: AccountState | undefined;
  },
): Promise<Page<AccountRow>> {
  return findPage<AccountRow>(trx, 'accounts', organizationId, page, {
    where: { program_id: filter.programId, cardholder_id: filter.cardholderId, state: filter.state },
  });
}
