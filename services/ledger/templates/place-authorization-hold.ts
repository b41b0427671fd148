import type { AssetCode, BaseUnits } from '../../shared/money';
import { fundsOf, loanOf, positionOf } from '../account-refs';
import type { LedgerAccountRef, TransactionDraft } from '../draft';

/** A leg as its hold needs it. The loan's draw has the leg's id. */
export interface HeldLeg {
  readonly legId: string;
  readonly kind: 'stablecoin_sale' | 'loan_draw';
  readonly asset: AssetCode;
  /** Base units held: the worst case, with allowance and buffer. */
  readonly amount: BaseUnits;
  readonly holdTransferId: string;
}

export interface PlaceAuthorizationHoldInput {
  readonly transactionId?: string;
  readonly authorizationId: string;
  readonly accountId: string;
  /** Message id of an increment; the first hold has none. */
  readonly increment?: string;
  readonly effectiveAt: Date;
  readonly legs: readonly HeldLeg[];
}

/** What a leg takes from: the cardholder's funds for a sale, a loan of its own for a draw. */
export function sourceOfLeg(
  accountId: string,
  leg: { readonly legId: string; readonly kind: HeldLeg['kind']; readonly asset: AssetCode },
): LedgerAccountRef {
  return leg.kind === 'stablecoin_sale' ? fundsOf(accountId, leg.asset) : loanOf(accountId, leg.legId, leg.asset);
}

/** Holds each leg as one pending transfer from its source to `position` of the leg's asset. */
export function placeAuthorizationHold(input: PlaceAuthorizationHoldInput): TransactionDraft {
  const key = `authorization:${input.authorizationId}:hold`;
  return {
    ...(input.transactionId === undefined ? {} : { id: input.transactionId }),
    template: 'place-authorization-hold',
    idempotencyKey: input.increment === undefined ? key : `${key}:${input.increment}`,
    effectiveAt: input.effectiveAt,
    transfers: input.legs.map((leg) => ({
      id: leg.holdTransferId,
      label: leg.kind === 'stablecoin_sale' ? 'hold-funds' : 'hold-loan',
      kind: 'pending',
      debit: sourceOfLeg(input.accountId, leg),
      credit: positionOf(leg.asset),
      amount: leg.amount,
      legId: leg.legId,
    })),
  };
}
