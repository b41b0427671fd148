import type { AssetCode, BaseUnits } from '../../shared/money';
import {
  expenseOf,
  fundsOf,
  interestOf,
  loanOf,
  networkPayableOf,
  overdueOf,
  positionOf,
  revenueOf,
} from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, type TransferDraft, withoutZeros } from '../draft';

/** Tokens that a refund gives back, priced as the purchase was. */
export type RefundedPart =
  | {
      readonly kind: 'loan';
      readonly drawId: string;
      readonly asset: AssetCode;
      readonly principal: BaseUnits;
      /** Posted and unpaid interest of that principal, which is given up: what the venue keeps of it, and ours. */
      readonly venueInterest: BaseUnits;
      readonly spreadInterest: BaseUnits;
    }
  | { readonly kind: 'funds'; readonly asset: AssetCode; readonly amount: BaseUnits };

export interface PostRefundInput {
  readonly cardTransactionId: string;
  /** The refund's own leg. */
  readonly legId: string;
  readonly programId: string;
  readonly accountId: string;
  /** Who gives it back; the network, when left out. */
  readonly from?: LedgerAccountRef;
  /** Cents that the network gives back. */
  readonly amountUsd: BaseUnits;
  /** Cents of the program's fee that are given back with them. */
  readonly feeUsd?: BaseUnits;
  /** Cents of it that pay what is overdue. */
  readonly overdueUsd: BaseUnits;
  readonly parts: readonly RefundedPart[];
  readonly effectiveAt: Date;
}

/**
 * A refund, at the door: overdue first, then the loan, then the funds. `position` is left with the USD received and the
 * tokens given until `buy-back-tokens` has bought them.
 */
export function postRefund(input: PostRefundInput): TransactionDraft {
  const { accountId, legId } = input;
  const usd = positionOf('USD');
  return {
    template: 'post-refund',
    idempotencyKey: `refund:${input.cardTransactionId}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      moved('from-network', input.from ?? networkPayableOf(input.programId), usd, input.amountUsd, legId),
      moved('fee-given-back', revenueOf('fees', 'USD'), usd, input.feeUsd ?? 0n, legId),
      moved('overdue-paid', usd, overdueOf(accountId), input.overdueUsd, legId),
      ...input.parts.flatMap((part) => givenBack(accountId, legId, part)),
    ]),
  };
}

function givenBack(accountId: string, legId: string, part: RefundedPart): readonly TransferDraft[] {
  const { asset } = part;
  if (part.kind === 'funds')
    return [moved('to-funds', positionOf(asset), fundsOf(accountId, asset), part.amount, legId)];
  const interest = interestOf(accountId, part.drawId, asset);
  return [
    moved('to-loan', positionOf(asset), loanOf(accountId, part.drawId, asset), part.principal, legId),
    moved('interest-given-up', expenseOf('interest_refund', asset), interest, part.venueInterest, legId),
    moved('spread-given-up', revenueOf('interest', asset), interest, part.spreadInterest, legId),
  ];
}
