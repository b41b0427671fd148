import { randomUUID } from 'node:crypto';

/** A booked entry of a bank account. Amounts are cents, as decimal digits. */
export interface BankEntry {
  id: string;
  accountId: string;
  reference: string;
  direction: 'credit' | 'debit';
  cents: string;
  description: string;
  bookedAt: string;
}

export interface BankState {
  /** Every entry in booking order: the ledger of the bank. Balances are sums over it. */
  entries: BankEntry[];
  accounts: string[];
}

export const emptyBank = (): BankState => ({ entries: [], accounts: [] });

export type Booking =
  | { readonly kind: 'booked'; readonly entry: BankEntry }
  | { readonly kind: 'already_booked'; readonly entry: BankEntry }
  | { readonly kind: 'conflict'; readonly entry: BankEntry };

/** Opens the account when it is new. */
export function openAccount(bank: BankState, accountId: string): void {
  if (!bank.accounts.includes(accountId)) bank.accounts.push(accountId);
}

/**
 * Books one entry. A reference books once per account: the same again changes nothing, the same with another amount or
 * direction is a conflict. Accounts may be overdrawn, as a settlement account may within its bank's terms.
 */
export function book(
  bank: BankState,
  order: Pick<BankEntry, 'accountId' | 'reference' | 'direction' | 'description'> & { readonly cents: bigint },
  now: Date,
): Booking {
  openAccount(bank, order.accountId);
  const former = bank.entries.find((one) => one.accountId === order.accountId && one.reference === order.reference);
  if (former !== undefined) {
    const same = former.cents === order.cents.toString() && former.direction === order.direction;
    return { kind: same ? 'already_booked' : 'conflict', entry: former };
  }
  const entry: BankEntry = { id: randomUUID(), ...order, cents: order.cents.toString(), bookedAt: now.toISOString() };
  bank.entries.push(entry);
  return { kind: 'booked', entry };
}

export interface AccountTotals {
  readonly accountId: string;
  readonly balance: bigint;
  readonly credits: bigint;
  readonly debits: bigint;
  readonly transactions: number;
}

/** Sums of an account in cents. */
export function totals(bank: BankState, accountId: string): AccountTotals {
  let credits = 0n;
  let debits = 0n;
  let transactions = 0;
  for (const entry of bank.entries) {
    if (entry.accountId !== accountId) continue;
    transactions += 1;
    if (entry.direction === 'credit') credits += BigInt(entry.cents);
    else debits += BigInt(entry.cents);
  }
  return { accountId, balance: credits - debits, credits, debits, transactions };
}

/** A page of an account's entries, oldest first, after the entry `after`. Null when `after` is not one of them. */
export function page(
  bank: BankState,
  accountId: string,
  after: string | null,
  limit: number,
): { readonly data: readonly BankEntry[]; readonly hasMore: boolean } | null {
  const own = bank.entries.filter((entry) => entry.accountId === accountId);
  let from = 0;
  if (after !== null) {
    from = own.findIndex((entry) => entry.id === after) + 1;
    if (from === 0) return null;
  }
  return { data: own.slice(from, from + limit), hasMore: own.length > from + limit };
}
