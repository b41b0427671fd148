/** Cents that the bank moved to the network beyond what the books owed; below zero less, null until both are known. */
export function bankDifference(row: {
  readonly paid_amount: bigint | null;
  readonly ledger_amount: bigint | null;
}): bigint | null {
  return row.paid_amount === null || row.ledger_amount === null ? null : row.paid_amount - row.ledger_amount;
}
