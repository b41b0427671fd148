import type { BaseUnits } from '../../shared/money';
import { expenseOf, interestOf, revenueOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, withoutZeros } from '../draft';

export interface AccruedInterest {
  readonly drawId: string;
  /** All that the draw owes more than is posted. */
  readonly interest: BaseUnits;
  /** The part of it that the venue takes. */
  readonly venuePart: BaseUnits;
}

export interface AccrueInterestInput {
  /** Names the reading: the operation or the block that it was made for. */
  readonly reference: string;
  readonly accountId: string;
  readonly venueDebt: LedgerAccountRef;
  readonly draws: readonly AccruedInterest[];
  /** The venue's interest that no cardholder owes. */
  readonly expense: BaseUnits;
  readonly effectiveAt: Date;
}

/** Posts the interest that arose and no entry says yet: to the venue its part, the rest is the organization's. */
export function accrueInterest(input: AccrueInterestInput): TransactionDraft {
  const { asset } = input.venueDebt;
  return {
    template: 'accrue-interest',
    idempotencyKey: `interest:${input.accountId}:${asset}:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      ...input.draws.flatMap(({ drawId, interest, venuePart }) => {
        const owed = interestOf(input.accountId, drawId, asset);
        return [
          moved('venue-interest', owed, input.venueDebt, venuePart, drawId),
          moved('spread', owed, revenueOf('interest', asset), interest - venuePart, drawId),
        ];
      }),
      moved('interest-at-our-cost', expenseOf('interest', asset), input.venueDebt, input.expense),
    ]),
  };
}
