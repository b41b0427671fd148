import { LEDGER_ACCOUNT_TYPES, type LedgerAccountType, type TransferKind } from '../draft';

/** The four counters of a ledger account, base units, none ever negative. */
export interface Counters {
  readonly postedDebits: bigint;
  readonly postedCredits: bigint;
  readonly pendingDebits: bigint;
  readonly pendingCredits: bigint;
}

export const ZERO_COUNTERS: Counters = { postedDebits: 0n, postedCredits: 0n, pendingDebits: 0n, pendingCredits: 0n };

/** How often a transfer's amount enters the posted and the pending counter of both its accounts. */
export const COUNTER_EFFECT: Readonly<
  Record<TransferKind, { readonly posted: 0n | 1n; readonly pending: -1n | 0n | 1n }>
> = {
  posted: { posted: 1n, pending: 0n },
  pending: { posted: 0n, pending: 1n },
  post_pending: { posted: 1n, pending: -1n },
  void_pending: { posted: 0n, pending: -1n },
  expire_pending: { posted: 0n, pending: -1n },
};

/** What one transfer adds to the counters of its debit or credit account. */
export function counterChange(side: 'debit' | 'credit', kind: TransferKind, amount: bigint): Counters {
  const effect = COUNTER_EFFECT[kind];
  const posted = effect.posted * amount;
  const pending = effect.pending * amount;
  return side === 'debit'
    ? { ...ZERO_COUNTERS, postedDebits: posted, pendingDebits: pending }
    : { ...ZERO_COUNTERS, postedCredits: posted, pendingCredits: pending };
}

export function addCounters(one: Counters, other: Counters): Counters {
  return {
    postedDebits: one.postedDebits + other.postedDebits,
    postedCredits: one.postedCredits + other.postedCredits,
    pendingDebits: one.pendingDebits + other.pendingDebits,
    pendingCredits: one.pendingCredits + other.pendingCredits,
  };
}

/** Posted balance on the account's normal side: what the cardholder has, owes, or stands in the wallet. */
export function postedBalance(type: LedgerAccountType, counters: Counters): bigint {
  const debit = counters.postedDebits - counters.postedCredits;
  return LEDGER_ACCOUNT_TYPES[type].normal === 'debit' ? debit : -debit;
}

/** What of a credit-normal account is free: posted less what holds may still take (ledger decision 6). */
export function availableBalance(counters: Counters): bigint {
  return counters.postedCredits - counters.postedDebits - counters.pendingDebits;
}

/** The types of which nothing may be taken that is not there; the database holds the same as a constraint. */
export function mayNotGoNegative(type: LedgerAccountType): boolean {
  return type === 'cardholder.funds' || type === 'cardholder.collateral';
}
