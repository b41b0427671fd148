import { expenseOf, networkPayableOf, revenueOf } from '../account-refs';
import { moved, type TransactionDraft, withoutZeros } from '../draft';

export interface AcceptSettlementDifferenceInput {
  readonly settlementId: string;
  readonly programId: string;
  /** Cents that the bank moved to the network beyond what was owed to it; below zero it moved less. */
  readonly amount: bigint;
  readonly effectiveAt: Date;
}

/** What the bank moved for a date and the network's share of the books differ for good: the organization bears it, or keeps it. */
export function acceptSettlementDifference(input: AcceptSettlementDifferenceInput): TransactionDraft {
  const payable = networkPayableOf(input.programId);
  const { amount, settlementId } = input;
  return {
    template: 'accept-settlement-difference',
    idempotencyKey: `settlement:${settlementId}:difference`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      amount >= 0n
        ? moved('difference-borne', expenseOf('settlement', 'USD'), payable, amount, settlementId)
        : moved('difference-kept', payable, revenueOf('settlement', 'USD'), -amount, settlementId),
    ]),
  };
}
