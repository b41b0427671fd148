import type { BaseUnits } from '../../shared/money';
import { networkPayableOf, networkReservedOf, revenueOf } from '../account-refs';
import { moved, type TransactionDraft, withoutZeros } from '../draft';

export interface SpendReservationInput {
  readonly cardTransactionId: string;
  readonly programId: string;
  /** Cents that the network is owed of what was set aside. */
  readonly amountUsd: BaseUnits;
  /** Cents of it that are the program's fee. */
  readonly feeUsd: BaseUnits;
  /** The network's date. */
  readonly effectiveAt: Date;
}

/** The network spent what was set aside for it right after approval: it is owed now, and the tokens are sold already. */
export function spendReservation(input: SpendReservationInput): TransactionDraft {
  const reserved = networkReservedOf(input.programId);
  return {
    template: 'spend-reservation',
    idempotencyKey: `reservation-spent:${input.cardTransactionId}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('owed-to-network', reserved, networkPayableOf(input.programId), input.amountUsd),
      moved('fee', reserved, revenueOf('fees', 'USD'), input.feeUsd),
    ]),
  };
}
