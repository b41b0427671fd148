import type { BankStatements } from '../providers/off-ramp/port';
import { type StatementSearch, searchStatement } from '../providers/off-ramp/search-statement';

/** Everything the bank has booked under a reference: the payment, and what corrected it. */
export async function findBankEntries(bank: BankStatements, reference: string): Promise<StatementSearch> {
  return searchStatement(bank, (entry) => entry.reference === reference);
}
