import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { formatId } from '../shared/ids';
import { usdDocument } from '../shared/money-document';
import { bankDifference } from './rules/bank-difference';
import type { SettlementRow } from './settlement.repository';

/** Tells of a settlement as it is in `row`. */
export async function tellSettlement(
  trx: Transaction,
  row: SettlementRow,
  type: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const money = (amount: bigint | null) => (amount === null ? null : usdDocument(amount));
  await appendEvent(trx, {
    organizationId: row.organization_id,
    type,
    resourceKind: 'settlement',
    resourceId: row.id,
    data: {
      program_id: formatId('program', row.program_id),
      date: row.date,
      state: row.state,
      network_amount: money(row.network_amount),
      ledger_amount: money(row.ledger_amount),
      paid_amount: money(row.paid_amount),
      bank_reference: row.bank_reference,
      difference: row.difference,
      difference_amount: money(bankDifference(row)),
      books_difference: money(row.books_difference),
      ...more,
    },
  });
}
