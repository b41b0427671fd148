import { totals } from './bank';
import { toDecimal } from './decimals';
import type { VendorState } from './state';
import type { Transfer } from './transfers';

/** The vendor's own books, for proofs: each transfer, sums by state and currency, and the bank's accounts. */
export function bookOf(state: VendorState): Record<string, unknown> {
  const transfers = state.order.flatMap((id) => state.transfers[id] ?? []);
  const byState: Record<string, { count: number; received: Record<string, string>; paid_usd: string }> = {};
  for (const transfer of transfers) {
    const former = byState[transfer.state] ?? { count: 0, received: {}, paid_usd: '0.00' };
    const received = add(former.received[transfer.sourceCurrency], transfer.received, transfer.tokenDecimals);
    byState[transfer.state] = {
      count: former.count + 1,
      received: { ...former.received, [transfer.sourceCurrency]: received },
      paid_usd: add(former.paid_usd, transfer.paidCents ?? '0', 2),
    };
  }
  return {
    by_state: byState,
    transfers: transfers.map(line),
    unmatched_deposits: state.unmatchedDeposits,
    bank: state.bank.accounts.map((accountId) => {
      const sums = totals(state.bank, accountId);
      return {
        account_id: accountId,
        balance: toDecimal(sums.balance, 2),
        credits: toDecimal(sums.credits, 2),
        debits: toDecimal(sums.debits, 2),
        transactions: sums.transactions,
      };
    }),
  };
}

function line(transfer: Transfer): Record<string, unknown> {
  const cents = (value: string | null) => (value === null ? null : toDecimal(BigInt(value), 2));
  const tokens = (value: string) => toDecimal(BigInt(value), transfer.tokenDecimals);
  return {
    id: transfer.id,
    client_reference_id: transfer.clientReferenceId,
    state: transfer.state,
    currency: transfer.sourceCurrency,
    amount: tokens(transfer.amount),
    received: tokens(transfer.received),
    returned: transfer.state === 'refunded' ? tokens(transfer.received) : tokens('0'),
    gross_usd: cents(transfer.grossCents),
    fee_usd: cents(transfer.feeCents),
    paid_usd: cents(transfer.paidCents),
    bank_reference: transfer.wireMessage ?? transfer.id,
    deposit_address: transfer.depositAddress,
    source_tx_hash: transfer.sourceTxHash,
    return_tx_hash: transfer.returnTxHash,
    reason: transfer.reason,
  };
}

function add(sum: string | undefined, baseUnits: string, decimals: number): string {
  const former = BigInt((sum ?? '0').replace('.', ''));
  return toDecimal(former + BigInt(baseUnits), decimals);
}
