import type { AssetCode } from '../../shared/money';
import { expenseOf, positionOf, revenueOf } from '../account-refs';
import { moved, type TransactionDraft } from '../draft';

export interface ClosePositionDifferenceInput {
  /** Names the order that left the difference. */
  readonly reference: string;
  readonly legId: string;
  readonly asset: AssetCode;
  /** The leg's `position` as it is left: debits less credits. Above zero the conversion brought in too little. */
  readonly openDebit: bigint;
  readonly effectiveAt: Date;
}

/** What a conversion brought more or less than the leg needed is the organization's. Null when nothing is open. */
export function closePositionDifference(input: ClosePositionDifferenceInput): TransactionDraft | null {
  const { asset, legId, openDebit } = input;
  if (openDebit === 0n) return null;
  const transfer =
    openDebit > 0n
      ? moved('conversion-loss', expenseOf('conversion', asset), positionOf(asset), openDebit, legId)
      : moved('conversion-gain', positionOf(asset), revenueOf('conversion', asset), -openDebit, legId);
  return {
    template: 'close-position-difference',
    idempotencyKey: `position:${input.reference}:${asset}:closed`,
    effectiveAt: input.effectiveAt,
    transfers: [transfer],
  };
}
