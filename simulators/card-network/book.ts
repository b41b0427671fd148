import { netOf } from './settlement';
import type { NetworkState } from './state';

/** What the network itself thinks: transactions with their sums, and what is owed. Cents; positive is owed by the issuer. */
export function bookOf(state: NetworkState): Record<string, unknown> {
  const transactions = state.order.flatMap((token) => state.transactions[token] ?? []);
  const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);
  const unsettled = state.entries.filter(({ settlementDate }) => settlementDate === null);
  return {
    transactions: transactions.map((transaction) => ({
      token: transaction.token,
      card_token: transaction.cardToken,
      status: transaction.status,
      result: transaction.result,
      hold_amount: transaction.pendingDebit,
      pending_credit_amount: transaction.pendingCredit,
      cleared_amount: transaction.cleared,
      returned_amount: transaction.returned,
      net_amount: transaction.cleared - transaction.returned,
      events: transaction.events.map(({ token, type, result, amount }) => ({ token, type, result, amount })),
    })),
    totals: {
      hold_amount: sum(transactions.map(({ pendingDebit }) => pendingDebit)),
      cleared_amount: sum(transactions.map(({ cleared }) => cleared)),
      returned_amount: sum(transactions.map(({ returned }) => returned)),
      net_amount: netOf(state.entries),
      settled_amount: netOf(state.entries) - netOf(unsettled),
      unsettled_amount: netOf(unsettled),
    },
    settled_days: Object.values(state.settledDays).map((day) => ({
      date: day.date,
      net_amount: day.netAmount,
      bank_reference: day.bankReference,
      booked: day.booked,
    })),
    webhooks_pending: state.pending.length,
  };
}
