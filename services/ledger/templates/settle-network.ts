import { bankSettlementOf, networkPayableOf } from '../account-refs';
import { moved, type TransactionDraft, withoutZeros } from '../draft';

export interface SettleNetworkInput {
  readonly settlementId: string;
  readonly programId: string;
  /** Cents that the bank statement shows as taken by the network; below zero it paid us. */
  readonly netAmount: bigint;
  readonly effectiveAt: Date;
  /** How many entries the bank has for the date by now, where this corrects what was booked before. */
  readonly correction?: number;
  /** The look that found what the books lack of it, where an operator has it booked. */
  readonly mends?: Date;
}

/** The network's net amount of a day moved over the settlement bank account. */
export function settleNetwork(input: SettleNetworkInput): TransactionDraft {
  const payable = networkPayableOf(input.programId);
  const bank = bankSettlementOf('operating');
  const { netAmount } = input;
  return {
    template: 'settle-network',
    idempotencyKey: keyOf(input),
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      netAmount >= 0n
        ? moved('paid-to-network', payable, bank, netAmount, input.settlementId)
        : moved('paid-by-network', bank, payable, -netAmount, input.settlementId),
    ]),
  };
}

function keyOf({ settlementId, correction, mends }: SettleNetworkInput): string {
  const key = `settlement:${settlementId}`;
  if (mends !== undefined) return `${key}:mend:${mends.toISOString()}`;
  return correction === undefined ? key : `${key}:correction:${correction}`;
}
