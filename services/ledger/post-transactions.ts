import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { invariant, required } from '../shared/assert';
import { ledgerAccountId } from './account-id';
import { LEDGER_ACCOUNT_TYPES, type TransactionDraft, type TransferDraft } from './draft';
import {
  addToLedgerAccounts,
  bumpAccountVersions,
  holdsWithUse,
  insertLedgerTransaction,
  insertMissingLedgerAccounts,
  insertTransfers,
  type LedgerAccountRow,
  lockLedgerAccounts,
  type NamedLedgerAccount,
  type NewTransferRow,
  type TransferRow,
  transactionsOfKeys,
} from './ledger.repository';
import { HoldExceededError, IdempotencyConflictError, InsufficientFundsError } from './ledger-errors';
import {
  addCounters,
  availableBalance,
  type Counters,
  counterChange,
  mayNotGoNegative,
  ZERO_COUNTERS,
} from './rules/account-balance';
import { type HoldUsage, takeFromHold } from './rules/hold-usage';

export interface PostedTransaction {
  readonly kind: 'posted' | 'already_posted';
}

/** A draft with the ids that its transaction and transfers get. */
interface NumberedDraft {
  readonly draft: TransactionDraft;
  readonly id: string;
  readonly rows: readonly NewTransferRow[];
}

type Hold = HoldUsage & Pick<TransferRow, 'debit_account_id' | 'credit_account_id' | 'asset'>;

/**
 * Posts each draft once, in the caller's transaction: account rows are made where missing, transfers written, balances of
 * materialised accounts (`cardholder.*`) updated with them, and the version of each cardholder account touched is moved.
 * One result per draft, in order; `already_posted` when a transaction of its idempotency key exists with the same transfers.
 *
 * Locks are taken in one order by everybody: cardholder accounts by id, then ledger accounts by id. Under them the balances
 * and holds are checked before any money is written, so a thrown error leaves the caller's transaction usable.
 *
 * It keeps the ledger only: aggregates on `accounts` (`overdue_amount`, `loan_hold`, …) are the caller's.
 *
 * @throws InsufficientFundsError when funds or collateral would go below zero.
 * @throws HoldExceededError when more is posted or released than a hold has left.
 * @throws IdempotencyConflictError when a key comes again with other transfers.
 */
export async function postTransactions(
  trx: Transaction,
  organizationId: string,
  drafts: readonly TransactionDraft[],
): Promise<PostedTransaction[]> {
  for (const draft of drafts) for (const transfer of draft.transfers) assertWellFormed(draft, transfer);
  const accounts = namedAccounts(organizationId, drafts);
  await bumpAccountVersions(trx, organizationId, cardholderAccountsOf(accounts));
  await insertMissingLedgerAccounts(trx, organizationId, accounts);
  const locked = await lockLedgerAccounts(
    trx,
    organizationId,
    accounts.map((account) => account.id),
  );

  const fresh = await leaveOutPosted(trx, organizationId, drafts);
  const rows = fresh.flatMap((numbered) => numbered.rows);
  await checkHolds(trx, organizationId, rows);
  const changes = changesOf(rows, locked);
  checkFunds(changes, locked);

  const written = new Set<TransactionDraft>();
  for (const numbered of fresh) {
    if (await insertTransaction(trx, organizationId, numbered)) written.add(numbered.draft);
  }
  await insertTransfers(
    trx,
    organizationId,
    fresh.filter((numbered) => written.has(numbered.draft)).flatMap((numbered) => numbered.rows),
  );
  await addToLedgerAccounts(trx, organizationId, changes);
  return drafts.map((draft) => ({ kind: written.has(draft) ? 'posted' : 'already_posted' }));
}

function assertWellFormed(draft: TransactionDraft, transfer: TransferDraft): void {
  const where = `transfer ${transfer.label} of ${draft.idempotencyKey}`;
  invariant(transfer.amount > 0n, `${where} moves ${transfer.amount}`);
  invariant(transfer.debit.asset === transfer.credit.asset, `${where} mixes assets`);
  const ends =
    transfer.kind === 'post_pending' || transfer.kind === 'void_pending' || transfer.kind === 'expire_pending';
  invariant(
    ends === (transfer.pendingTransferId !== undefined),
    `${where} must name a hold if and only if it ends one`,
  );
  // The lock of a materialised row is what keeps two posts of one hold apart.
  const guarded = [transfer.debit, transfer.credit].some((ref) => LEDGER_ACCOUNT_TYPES[ref.type].materialised);
  invariant(transfer.kind === 'posted' || guarded, `${where} holds nothing of a cardholder`);
}

function namedAccounts(organizationId: string, drafts: readonly TransactionDraft[]): readonly NamedLedgerAccount[] {
  const refs = drafts.flatMap((draft) => draft.transfers.flatMap((transfer) => [transfer.debit, transfer.credit]));
  const byId = new Map(refs.map((ref) => [ledgerAccountId(organizationId, ref), ref]));
  return [...byId].map(([id, ref]) => ({ id, ref })).sort((one, other) => (one.id < other.id ? -1 : 1));
}

function cardholderAccountsOf(accounts: readonly NamedLedgerAccount[]): readonly string[] {
  return [...new Set(accounts.flatMap((account) => account.ref.accountId ?? []))];
}

function numberDraft(organizationId: string, draft: TransactionDraft): NumberedDraft {
  const id = draft.id ?? newId();
  const rows = draft.transfers.map((transfer) => ({
    id: transfer.id ?? newId(),
    transactionId: id,
    label: transfer.label,
    kind: transfer.kind,
    debitAccountId: ledgerAccountId(organizationId, transfer.debit),
    creditAccountId: ledgerAccountId(organizationId, transfer.credit),
    asset: transfer.debit.asset,
    amount: transfer.amount,
    pendingTransferId: transfer.pendingTransferId ?? null,
    legId: transfer.legId ?? null,
  }));
  return { draft, id, rows };
}

/** The drafts whose key is new; the others must be what was posted under it, in an earlier call or earlier in this one. */
async function leaveOutPosted(
  trx: Transaction,
  organizationId: string,
  drafts: readonly TransactionDraft[],
): Promise<readonly NumberedDraft[]> {
  const posted = await transactionsOfKeys(
    trx,
    organizationId,
    drafts.map((draft) => draft.idempotencyKey),
  );
  const known = new Map(
    [...posted].map(([key, transaction]) => [key, contentOf(transaction.template, transaction.transfers)]),
  );
  const fresh: NumberedDraft[] = [];
  for (const draft of drafts) {
    const numbered = numberDraft(organizationId, draft);
    const content = contentOf(draft.template, numbered.rows.map(storedShape));
    const earlier = known.get(draft.idempotencyKey);
    if (earlier === undefined) {
      known.set(draft.idempotencyKey, content);
      fresh.push(numbered);
    } else if (earlier !== content) {
      throw new IdempotencyConflictError(draft.idempotencyKey);
    }
  }
  return fresh;
}

/** What of a transfer makes it the same effect again. */
type ComparableTransfer = Pick<
  TransferRow,
  'label' | 'kind' | 'debit_account_id' | 'credit_account_id' | 'asset' | 'amount' | 'pending_transfer_id' | 'leg_id'
>;

function storedShape(row: NewTransferRow): ComparableTransfer {
  return {
    label: row.label,
    kind: row.kind,
    debit_account_id: row.debitAccountId,
    credit_account_id: row.creditAccountId,
    asset: row.asset,
    amount: row.amount,
    pending_transfer_id: row.pendingTransferId,
    leg_id: row.legId,
  };
}

/** What makes two transactions the same effect: everything but ids and times, whatever the order of the transfers. */
function contentOf(template: string, transfers: readonly ComparableTransfer[]): string {
  const lines = transfers.map((transfer) =>
    [
      transfer.label,
      transfer.kind,
      transfer.debit_account_id,
      transfer.credit_account_id,
      transfer.asset,
      transfer.amount,
      transfer.pending_transfer_id,
      transfer.leg_id,
    ].join('|'),
  );
  return [template, ...lines.sort()].join('\n');
}

async function checkHolds(trx: Transaction, organizationId: string, rows: readonly NewTransferRow[]): Promise<void> {
  const named = [...new Set(rows.flatMap((row) => row.pendingTransferId ?? []))];
  const holds = new Map<string, Hold>();
  for (const [id, hold] of await holdsWithUse(trx, organizationId, named)) {
    holds.set(id, { ...hold, held: hold.amount });
  }
  for (const row of rows.filter((candidate) => candidate.kind === 'pending')) {
    holds.set(row.id, { ...storedShape(row), held: row.amount, used: 0n });
  }
  for (const row of rows) {
    if (row.pendingTransferId === null) continue;
    const hold = required(holds.get(row.pendingTransferId), `hold ${row.pendingTransferId}`);
    invariant(
      hold.debit_account_id === row.debitAccountId &&
        hold.credit_account_id === row.creditAccountId &&
        hold.asset === row.asset,
      `transfer ${row.label} does not repeat the accounts of hold ${row.pendingTransferId}`,
    );
    const left = takeFromHold(hold, row.amount);
    if (!left.ok) throw new HoldExceededError(row.pendingTransferId, hold.held, hold.used, row.amount);
    holds.set(row.pendingTransferId, { ...hold, ...left.value });
  }
}

function changesOf(
  rows: readonly NewTransferRow[],
  locked: ReadonlyMap<string, LedgerAccountRow>,
): ReadonlyMap<string, Counters> {
  const changes = new Map<string, Counters>();
  const add = (id: string, change: Counters) => {
    if (locked.has(id)) changes.set(id, addCounters(changes.get(id) ?? ZERO_COUNTERS, change));
  };
  for (const row of rows) {
    add(row.debitAccountId, counterChange('debit', row.kind, row.amount));
    add(row.creditAccountId, counterChange('credit', row.kind, row.amount));
  }
  return changes;
}

function checkFunds(changes: ReadonlyMap<string, Counters>, locked: ReadonlyMap<string, LedgerAccountRow>): void {
  for (const [id, change] of changes) {
    const row = required(locked.get(id), 'a changed ledger account');
    if (!mayNotGoNegative(row.type)) continue;
    const before: Counters = {
      postedDebits: row.posted_debits,
      postedCredits: row.posted_credits,
      pendingDebits: row.pending_debits,
      pendingCredits: row.pending_credits,
    };
    const after = availableBalance(addCounters(before, change));
    if (after < 0n) throw new InsufficientFundsError(row.account_id, row.asset, availableBalance(before), -after);
  }
}

/** False when somebody else posted the same effect meanwhile: possible only for drafts that no cardholder's lock orders. */
async function insertTransaction(trx: Transaction, organizationId: string, numbered: NumberedDraft): Promise<boolean> {
  const { draft, id, rows } = numbered;
  const inserted = await insertLedgerTransaction(trx, organizationId, {
    id,
    template: draft.template,
    idempotencyKey: draft.idempotencyKey,
    effectiveAt: draft.effectiveAt,
  });
  if (inserted) return true;
  const posted = await transactionsOfKeys(trx, organizationId, [draft.idempotencyKey]);
  const other = required(posted.get(draft.idempotencyKey), 'the transaction of a key that exists');
  if (contentOf(other.template, other.transfers) !== contentOf(draft.template, rows.map(storedShape))) {
    throw new IdempotencyConflictError(draft.idempotencyKey);
  }
  const touchesCardholder = draft.transfers.some((transfer) => transfer.debit.accountId ?? transfer.credit.accountId);
  invariant(!touchesCardholder, `${draft.idempotencyKey} was posted by two writers under one account lock`);
  return false;
}
