import type { StoredLimitCounters } from '../cards/rules/limit-counters';
import type { Transaction } from '../database/transaction';
import { ledgerAccountId } from '../ledger/account-id';
import { interestOf, loanOf } from '../ledger/account-refs';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import type { AuthorizationRequest, CardEvent } from '../providers/processor/port';
import { sumBigint } from '../shared/money';
import type { AuthorizationRow, FundingLegRow } from './authorization.repository';
import type { AuthorizationState } from './rules/authorization-state';
import type { StoredAnswer } from './stored-answer';

/** Where a card's messages belong. `card_routes` has no tenant: it is how the tenant is found. */
export interface CardRoute {
  readonly organization_id: string;
  readonly card_id: string;
  readonly account_id: string;
}

export async function findCardRoute(
  knex: Transaction,
  vendor: string,
  cardToken: string,
): Promise<CardRoute | undefined> {
  return knex<CardRoute & { vendor: string; card_token: string }>('card_routes')
    .where({ vendor, card_token: cardToken })
    .first('organization_id', 'card_id', 'account_id');
}

export interface StoredMessage {
  readonly content_hash: string;
  readonly authorization_id: string | null;
}

export async function findMessage(
  trx: Transaction,
  organizationId: string,
  vendor: string,
  messageId: string,
): Promise<StoredMessage | undefined> {
  return trx('card_messages')
    .where({ organization_id: organizationId, vendor, message_id: messageId })
    .first<StoredMessage | undefined>('content_hash', 'authorization_id');
}

/** The answer that a later message of a purchase got, with the content that it answered. */
export async function findAnswer(
  trx: Transaction,
  organizationId: string,
  vendor: string,
  messageId: string,
): Promise<{ readonly content_hash: string; readonly answer: StoredAnswer } | undefined> {
  return trx('card_messages')
    .where({ organization_id: organizationId, vendor, message_id: messageId })
    .first('content_hash', 'answer');
}

/**
 * What a message of this purchase was approved for whose approval has no row of its own, cents; nothing for one that never asked, or
 * asked for another purchase.
 */
export async function approvedWithoutRow(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'vendor' | 'id'>,
  messageId: string,
): Promise<bigint> {
  const answered = await findAnswer(trx, authorization.organization_id, authorization.vendor, messageId);
  return answered?.answer.authorization_id === authorization.id ? BigInt(answered.answer.approved_amount) : 0n;
}

/** Stores a later message that the network asked an answer for. */
export async function insertAnsweredMessage(
  trx: Transaction,
  organizationId: string,
  message: {
    readonly request: AuthorizationRequest;
    readonly kind: AuthorizationRequest['kind'];
    readonly accountId: string;
    readonly authorizationId: string;
    readonly answer: StoredAnswer;
  },
): Promise<void> {
  const { request } = message;
  await trx('card_messages').insert({
    organization_id: organizationId,
    vendor: request.vendor,
    message_id: request.messageId,
    content_hash: request.contentHash,
    kind: message.kind,
    processor_authorization_id: request.processorAuthorizationId,
    account_id: message.accountId,
    authorization_id: message.authorizationId,
    answer: JSON.stringify(message.answer),
  });
}

/**
 * Stores an event with what it said. A reversal without authorization stays on record that way: the authorizer looks for
 * one before it holds money for a purchase that was called off already.
 */
export async function insertEventMessage(
  trx: Transaction,
  organizationId: string,
  event: CardEvent,
  accountId: string,
  authorizationId: string | null,
): Promise<void> {
  const answer: StoredAnswer = {
    outcome: 'recorded',
    approved_amount: event.amount.toString(),
    decline_reason: null,
    balance: null,
    authorization_id: authorizationId,
    ...(event.reversedMessageId === null ? {} : { reversed_message_id: event.reversedMessageId }),
  };
  await trx('card_messages').insert({
    organization_id: organizationId,
    vendor: event.vendor,
    message_id: event.messageId,
    content_hash: event.contentHash,
    kind: event.kind,
    processor_authorization_id: event.processorAuthorizationId,
    account_id: accountId,
    authorization_id: authorizationId,
    answer: JSON.stringify(answer),
    effective_at: event.effectiveAt,
    final: event.kind === 'expiry' || (event.kind === 'clearing' && event.final),
  });
}

/** The purchase's authorization on this account, whatever its state. */
export async function findAuthorizationOf(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  vendor: string,
  processorAuthorizationId: string,
): Promise<AuthorizationRow | undefined> {
  return trx<AuthorizationRow>('authorizations')
    .where({
      organization_id: organizationId,
      account_id: accountId,
      vendor,
      processor_authorization_id: processorAuthorizationId,
    })
    .first();
}

/** The row of a purchase that the network made without us. */
export async function insertAdvisedAuthorization(
  trx: Transaction,
  row: AuthorizationRow,
  contentHash: string,
): Promise<void> {
  await trx('authorizations').insert({
    ...Object.fromEntries(
      Object.entries(row).map(([column, value]) => [column, typeof value === 'bigint' ? value.toString() : value]),
    ),
    merchant: JSON.stringify(row.merchant),
    content_hash: contentHash,
  });
}

export interface AuthorizationChange {
  readonly state: AuthorizationState;
  readonly cleared?: bigint;
  readonly reversed?: bigint;
  readonly refunded?: bigint;
  readonly reserved?: bigint;
  /** Set, not added. */
  readonly approvedAmount?: bigint;
  readonly holdAmount?: bigint;
  readonly feeAmount?: bigint;
  readonly expiresAt?: Date;
  readonly advisedAt?: Date;
}

/** Adds to an authorization's counters (cents) and sets its state. Call it under the account's lock. */
export async function changeAuthorization(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
  change: AuthorizationChange,
): Promise<void> {
  const plus = (column: string, amount = 0n) => trx.raw('?? + ?::numeric', [column, amount.toString()]);
  await trx('authorizations')
    .where({ organization_id: organizationId, id: authorizationId })
    .update({
      state: change.state,
      cleared_amount: plus('cleared_amount', change.cleared),
      reversed_amount: plus('reversed_amount', change.reversed),
      refunded_amount: plus('refunded_amount', change.refunded),
      reserved_amount: plus('reserved_amount', change.reserved),
      ...(change.approvedAmount === undefined ? {} : { approved_amount: change.approvedAmount.toString() }),
      ...(change.holdAmount === undefined ? {} : { hold_amount: change.holdAmount.toString() }),
      ...(change.feeAmount === undefined ? {} : { fee_amount: change.feeAmount.toString() }),
      ...(change.expiresAt === undefined ? {} : { expires_at: change.expiresAt }),
      ...(change.advisedAt === undefined ? {} : { advised_at: change.advisedAt }),
      updated_at: trx.fn.now(),
    });
}

export async function insertLeg(trx: Transaction, leg: FundingLegRow): Promise<void> {
  await trx('funding_legs').insert(
    Object.fromEntries(
      Object.entries(leg).map(([column, value]) => [column, typeof value === 'bigint' ? value.toString() : value]),
    ),
  );
}

/** What is added to a leg: base units of its asset and cents. */
export interface LegChange {
  readonly legId: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
}

/** Adds to what a leg has posted, released or refunded. */
export async function addToLeg(
  trx: Transaction,
  organizationId: string,
  what: 'posted' | 'released' | 'refunded',
  change: LegChange,
): Promise<void> {
  const plus = (column: string, amount: bigint) => trx.raw('?? + ?::numeric', [column, amount.toString()]);
  await trx('funding_legs')
    .where({ organization_id: organizationId, id: change.legId })
    .update({
      [`${what}_amount`]: plus(`${what}_amount`, change.amount),
      [`${what}_usd`]: plus(`${what}_usd`, change.amountUsd),
      updated_at: trx.fn.now(),
    });
}

/** `reservation` and its return are our own: a purchase funded right after approval. */
export type CardTransactionKind = 'clearing' | 'refund' | 'refund_reversal' | 'reservation' | 'reservation_return';

export interface NewCardTransaction {
  readonly id: string;
  readonly kind: CardTransactionKind;
  readonly accountId: string;
  readonly cardId: string;
  readonly programId: string;
  readonly authorizationId: string | null;
  readonly originalTransactionId: string | null;
  readonly forced: boolean;
  /** Cents that the program charged on top; of a refund, gave back. */
  readonly feeAmount: bigint;
  readonly cashAmount: bigint;
  /** Of a clearing: all of it was handed out as cash. */
  readonly cashWithdrawal?: boolean;
  /** Cents that refunds had given back of it before it came. */
  readonly refundedBefore?: bigint;
}

export async function insertCardTransaction(
  trx: Transaction,
  organizationId: string,
  event: CardEvent,
  row: NewCardTransaction,
): Promise<void> {
  await trx('card_transactions').insert({
    organization_id: organizationId,
    id: row.id,
    kind: row.kind,
    state: 'posted',
    account_id: row.accountId,
    card_id: row.cardId,
    program_id: row.programId,
    authorization_id: row.authorizationId,
    original_transaction_id: row.originalTransactionId,
    vendor: event.vendor,
    message_id: event.messageId,
    processor_authorization_id: event.processorAuthorizationId,
    amount: event.amount.toString(),
    currency: event.currency,
    merchant_amount: event.merchantAmount.toString(),
    merchant_currency: event.merchantCurrency,
    merchant: JSON.stringify(event.merchant),
    forced: row.forced,
    fee_amount: row.feeAmount.toString(),
    cash_amount: row.cashAmount.toString(),
    cash_withdrawal: row.cashWithdrawal ?? null,
    refunded_amount: (row.refundedBefore ?? 0n).toString(),
    effective_at: event.effectiveAt,
  });
}

/** Notes what limits counted when a transaction posted, cents, and whether its purchase counted as one then. */
export async function noteCounted(
  trx: Transaction,
  organizationId: string,
  cardTransactionId: string,
  counted: { readonly amount: bigint; readonly asPurchase: boolean },
): Promise<void> {
  await trx('card_transactions')
    .where({ organization_id: organizationId, id: cardTransactionId })
    .update({ counted_amount: counted.amount.toString(), counted_as_purchase: counted.asPurchase });
}

/** What a purchase has cost so far: a clearing, or a refund that was taken back. Cents. */
export interface SpendingRow {
  readonly id: string;
  readonly amount: bigint;
  readonly refunded_amount: bigint;
}

/** How a purchase is named: by the processor's id, and by ours where it has an authorization. */
export interface PurchaseKey {
  readonly organizationId: string;
  readonly accountId: string;
  readonly vendor: string;
  readonly processorAuthorizationId: string;
  readonly authorizationId: string | null;
}

function transactionsOf(trx: Transaction, key: PurchaseKey) {
  const { authorizationId, processorAuthorizationId } = key;
  return trx('card_transactions')
    .where({ organization_id: key.organizationId, account_id: key.accountId, vendor: key.vendor })
    .where((purchase) => {
      void purchase.where({ processor_authorization_id: processorAuthorizationId });
      if (authorizationId !== null) void purchase.orWhere({ authorization_id: authorizationId });
    });
}

/** Whether anything was cleared under the processor's id of a purchase beside the transaction `except`, also before we knew the purchase. */
export async function isClearedBefore(trx: Transaction, key: PurchaseKey, except: string): Promise<boolean> {
  const row = await transactionsOf(trx, { ...key, authorizationId: null })
    .where({ kind: 'clearing' })
    .whereNot({ id: except })
    .first('id');
  return row !== undefined;
}

/** Whether anything of a purchase's hold was cleared after it was opened again by an amendment. */
export async function isClearedSince(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'id'>,
  amendmentId: string,
): Promise<boolean> {
  const row = await trx('card_transactions')
    .where({ organization_id: authorization.organization_id, authorization_id: authorization.id })
    // What came before the purchase was known is linked later, and was counted for itself.
    .where({ kind: 'clearing', forced: false })
    .where('id', '>', amendmentId)
    .first('id');
  return row !== undefined;
}

/** Clearings under the processor's id of a purchase that came before it was known. */
function unlinkedClearings(trx: Transaction, key: PurchaseKey) {
  return transactionsOf(trx, { ...key, authorizationId: null })
    .where({ kind: 'clearing' })
    .whereNull('authorization_id');
}

/**
 * Links clearings that came before the purchase was known to its authorization. Cents that they come to: the authorization has yet to
 * count them as cleared.
 */
export async function linkClearings(
  trx: Transaction,
  key: PurchaseKey & { readonly authorizationId: string },
): Promise<bigint> {
  const linked: { amount: bigint }[] = await unlinkedClearings(trx, key)
    .update({ authorization_id: key.authorizationId })
    .returning('amount');
  return sumBigint(linked.map(({ amount }) => amount));
}

/** What was cleared of a purchase before it was known, cents. */
export async function clearedUnlinked(trx: Transaction, key: PurchaseKey): Promise<bigint> {
  const rows: { amount: bigint }[] = await unlinkedClearings(trx, key).select('amount');
  return sumBigint(rows.map(({ amount }) => amount));
}

/** Everything that a purchase has cost, oldest first. */
export async function spendingOf(trx: Transaction, key: PurchaseKey): Promise<readonly SpendingRow[]> {
  return transactionsOf(trx, key)
    .whereIn('kind', ['clearing', 'refund_reversal'])
    .orderBy('id')
    .select('id', 'amount', 'refunded_amount');
}

/** Cents of a purchase's refunds that are of none of its transactions yet, as they came before what they are of. */
export async function refundedAhead(trx: Transaction, key: PurchaseKey): Promise<bigint> {
  const rows: (SpendingRow & { kind: CardTransactionKind })[] = await transactionsOf(trx, key)
    .whereIn('kind', ['clearing', 'refund', 'refund_reversal'])
    .select('kind', 'amount', 'refunded_amount');
  const left = sumBigint(rows.map((each) => (each.kind === 'refund' ? each.amount : -each.refunded_amount)));
  return left > 0n ? left : 0n;
}

/** One thing that the network has said of a purchase's money, as its fee depends on it. Cents. */
export interface MovementRow {
  readonly kind: 'clearing' | 'refund' | 'refund_reversal';
  readonly amount: bigint;
  readonly fee_amount: bigint;
  readonly cash_amount: bigint;
  /** All of it was cash, as the message said; null where it is no clearing, or from before that was kept. */
  readonly cash_withdrawal: boolean | null;
  readonly merchant_currency: string;
  readonly recorded_at: Date;
}

/**
 * All that the network has said of a purchase's money, oldest first: also refunds in a transaction of their own and their
 * reversals, which are of the purchase by what they give or take back.
 */
export async function movementsOf(trx: Transaction, key: PurchaseKey): Promise<readonly MovementRow[]> {
  const links = ['id', 'original_transaction_id', 'processor_authorization_id'];
  const ofAccount = { organization_id: key.organizationId, account_id: key.accountId, vendor: key.vendor };
  const kinds = ['clearing', 'refund', 'refund_reversal'];
  return trx
    .withRecursive('movements', links, (named) => {
      void named.from(transactionsOf(trx, key).whereIn('kind', kinds).as('named')).select(links);
      void named.union((further) => {
        void further
          .from(trx('card_transactions').where(ofAccount).whereIn('kind', kinds).as('t'))
          .join('movements as m', (linked) => {
            void linked
              .on('t.original_transaction_id', 'm.id')
              .orOn('t.id', 'm.original_transaction_id')
              .orOn('t.processor_authorization_id', 'm.processor_authorization_id');
          })
          .select(links.map((link) => `t.${link}`));
      });
    })
    .from('card_transactions')
    .where(ofAccount)
    .whereIn('id', trx.from('movements').select('id'))
    .orderBy('id')
    .select('kind', 'amount', 'fee_amount', 'cash_amount', 'cash_withdrawal', 'merchant_currency', 'recorded_at');
}

/** What was set aside for a purchase right after its approval, oldest first. */
export async function reservationsOf(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<readonly SpendingRow[]> {
  return trx('card_transactions')
    .where({ organization_id: organizationId, authorization_id: authorizationId, kind: 'reservation' })
    .orderBy('id')
    .select('id', 'amount', 'refunded_amount');
}

/** A refund as its reversal, or the next one, looks at it. Cents. */
export interface RefundRow {
  readonly id: string;
  /** Null where it came before the purchase was known: that one does not count it as refunded. */
  readonly authorization_id: string | null;
  readonly amount: bigint;
}

/** Refunds of a purchase that stand, the newest first. */
export async function refundsOf(trx: Transaction, key: PurchaseKey): Promise<readonly RefundRow[]> {
  const takenBack = trx('card_transactions')
    .where({ organization_id: key.organizationId, account_id: key.accountId, kind: 'refund_reversal' })
    .whereNotNull('original_transaction_id')
    .select('original_transaction_id');
  return transactionsOf(trx, key)
    .where({ kind: 'refund' })
    .whereNotIn('id', takenBack)
    .orderBy('id', 'desc')
    .select('id', 'authorization_id', 'amount');
}

/** The program's policy as it was at an instant. */
export async function findPolicyAt(
  trx: Transaction,
  organizationId: string,
  programId: string,
  at: Date,
): Promise<ProgramPolicy | undefined> {
  const row: { document: ProgramPolicy } | undefined = await trx('program_policies')
    .where({ organization_id: organizationId, program_id: programId })
    .where('created_at', '<=', at)
    .orderBy('version', 'desc')
    .first('document');
  return row?.document;
}

/** Legs of the purchase that clearings have used, in plan order: also those of clearings that no authorization went before. */
export async function postedLegsOf(
  trx: Transaction,
  organizationId: string,
  cardTransactionIds: readonly string[],
): Promise<readonly FundingLegRow[]> {
  const legIds = trx('leg_postings')
    .where({ organization_id: organizationId })
    .whereIn('card_transaction_id', [...cardTransactionIds])
    .select('leg_id');
  return trx<FundingLegRow>('funding_legs')
    .where({ organization_id: organizationId })
    .whereIn('id', legIds)
    .whereIn('kind', ['stablecoin_sale', 'loan_draw', 'overdue'])
    .orderBy(['ordinal', 'id']);
}

export async function addRefunded(
  trx: Transaction,
  organizationId: string,
  cardTransactionId: string,
  amount: bigint,
): Promise<void> {
  await trx('card_transactions')
    .where({ organization_id: organizationId, id: cardTransactionId })
    .update({
      refunded_amount: trx.raw('refunded_amount + ?::numeric', [amount.toString()]),
      updated_at: trx.fn.now(),
    });
}

export interface NewLegPosting {
  readonly id: string;
  readonly legId: string;
  readonly accountId: string;
  readonly cardTransactionId: string;
  readonly kind: FundingLegRow['kind'];
  readonly asset: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
  readonly state?: 'posted' | 'funded';
}

export async function insertLegPosting(trx: Transaction, organizationId: string, row: NewLegPosting): Promise<void> {
  await trx('leg_postings').insert({
    organization_id: organizationId,
    id: row.id,
    leg_id: row.legId,
    account_id: row.accountId,
    card_transaction_id: row.cardTransactionId,
    kind: row.kind,
    asset: row.asset,
    amount: row.amount.toString(),
    amount_usd: row.amountUsd.toString(),
    state: row.state ?? 'posted',
  });
}

/** What a card message adds to an account's aggregates; each may be negative. Loans in base units, overdue in cents. */
export interface AccountAggregates {
  readonly loanHold?: bigint;
  readonly loanUnconfirmed?: bigint;
  readonly overdueUsd?: bigint;
}

/** Adds to the aggregates and sums the debt's shares again. Call it under the account's lock. */
export async function addToAccount(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  change: AccountAggregates,
): Promise<void> {
  await trx.raw(
    `UPDATE accounts SET
       loan_hold = loan_hold + ?::numeric, loan_unconfirmed = loan_unconfirmed + ?::numeric,
       overdue_amount = overdue_amount + ?::numeric,
       debt_shares = (SELECT coalesce(sum(d.shares), 0) FROM loan_draws d
                       WHERE d.organization_id = accounts.organization_id AND d.account_id = accounts.id),
       version = version + 1, updated_at = now()
     WHERE organization_id = ? AND id = ?`,
    [
      (change.loanHold ?? 0n).toString(),
      (change.loanUnconfirmed ?? 0n).toString(),
      (change.overdueUsd ?? 0n).toString(),
      organizationId,
      accountId,
    ],
  );
}

/** A loan leg posted `amount` of principal: its draw exists from its first posting. */
export async function postDrawPrincipal(
  trx: Transaction,
  organizationId: string,
  draw: {
    readonly id: string;
    readonly accountId: string;
    readonly asset: string;
    readonly venue: string;
    readonly amount: bigint;
  },
): Promise<void> {
  await trx.raw(
    `INSERT INTO loan_draws AS draw (organization_id, id, account_id, asset, venue, state, principal_posted)
     VALUES (?, ?, ?, ?, ?, 'requested', ?::numeric)
     ON CONFLICT (organization_id, id) DO UPDATE SET
       principal_posted = draw.principal_posted + excluded.principal_posted,
       state = CASE WHEN draw.state = 'repaid' THEN 'requested' ELSE draw.state END, updated_at = now()`,
    [organizationId, draw.id, draw.accountId, draw.asset, draw.venue, draw.amount.toString()],
  );
}

/** A draw as its refund needs it, base units of its asset. */
export interface DrawForRefund {
  readonly asset: string;
  readonly principal_confirmed: bigint;
  readonly principal_repaid: bigint;
  readonly shares: bigint;
  /** On the ledger, owed now. */
  readonly principal_open: bigint;
  readonly interest_open: bigint;
  /** On the ledger, ever posted. */
  readonly venue_interest: bigint;
  readonly spread: bigint;
}

export async function findDrawForRefund(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  drawId: string,
  asset: string,
): Promise<DrawForRefund | undefined> {
  const loanId = ledgerAccountId(organizationId, loanOf(accountId, drawId, asset));
  const interestId = ledgerAccountId(organizationId, interestOf(accountId, drawId, asset));
  const result: { rows: DrawForRefund[] } = await trx.raw(
    `SELECT draw.asset, draw.principal_confirmed, draw.principal_repaid, draw.shares,
            coalesce((SELECT posted_debits - posted_credits FROM ledger_accounts
                       WHERE organization_id = draw.organization_id AND id = :loanId), 0) AS principal_open,
            coalesce((SELECT posted_debits - posted_credits FROM ledger_accounts
                       WHERE organization_id = draw.organization_id AND id = :interestId), 0) AS interest_open,
            coalesce((SELECT sum(amount) FROM ledger_transfers WHERE organization_id = draw.organization_id
                       AND debit_account_id = :interestId AND label = 'venue-interest'), 0) AS venue_interest,
            coalesce((SELECT sum(amount) FROM ledger_transfers WHERE organization_id = draw.organization_id
                       AND debit_account_id = :interestId AND label = 'spread'), 0) AS spread
       FROM loan_draws draw
      WHERE draw.organization_id = :organizationId AND draw.id = :drawId FOR UPDATE`,
    { organizationId, drawId, loanId, interestId },
  );
  return result.rows[0];
}

export async function refundDraw(
  trx: Transaction,
  organizationId: string,
  drawId: string,
  change: { readonly principal: bigint; readonly interest: bigint; readonly shares: bigint; readonly repaid: boolean },
): Promise<void> {
  await trx('loan_draws')
    .where({ organization_id: organizationId, id: drawId })
    .update({
      principal_repaid: trx.raw('principal_repaid + ?::numeric', [change.principal.toString()]),
      interest_repaid: trx.raw('interest_repaid + ?::numeric', [change.interest.toString()]),
      shares: change.shares.toString(),
      ...(change.repaid ? { state: 'repaid' } : {}),
      updated_at: trx.fn.now(),
    });
}

/**
 * What a refund has to buy back for one posting: `amount` in all, `venueAmount` of it to be repaid to the venue, the rest
 * for the treasury.
 */
export async function insertRefundRepayment(
  trx: Transaction,
  organizationId: string,
  row: {
    readonly id: string;
    readonly accountId: string;
    readonly asset: string;
    readonly amount: bigint;
    readonly venueAmount: bigint;
    readonly postingId: string;
  },
): Promise<void> {
  await trx('repayments').insert({
    organization_id: organizationId,
    id: row.id,
    account_id: row.accountId,
    asset: row.asset,
    source: 'refund',
    amount: row.amount.toString(),
    state: 'requested',
    venue_amount: row.venueAmount.toString(),
    refund_id: row.postingId,
  });
}

/** What a scope has spent: the account itself, or one of its cards. */
export async function findCounters(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  scopeId: string,
): Promise<StoredLimitCounters | null> {
  if (scopeId === accountId) {
    const account: { spend_counters: StoredLimitCounters | null } | undefined = await trx('accounts')
      .where({ organization_id: organizationId, id: accountId })
      .first('spend_counters');
    return account?.spend_counters ?? null;
  }
  const row: { windows: StoredLimitCounters } | undefined = await trx('limit_counters')
    .where({ organization_id: organizationId, account_id: accountId, scope_id: scopeId })
    .first('windows');
  return row?.windows ?? null;
}

/** Moves the account's version: a decision reads the counters. Call it under the account's lock. */
export async function saveCounters(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  scopeId: string,
  windows: StoredLimitCounters,
): Promise<void> {
  const stored = JSON.stringify(windows);
  const ofAccount = scopeId === accountId;
  await trx('accounts')
    .where({ organization_id: organizationId, id: accountId })
    .update({ version: trx.raw('version + 1'), ...(ofAccount ? { spend_counters: stored } : {}) });
  if (ofAccount) return;
  await trx('limit_counters')
    .insert({ organization_id: organizationId, account_id: accountId, scope_id: scopeId, windows: stored })
    .onConflict(['organization_id', 'account_id', 'scope_id'])
    .merge(['windows']);
}
