import type { AssetCode, BaseUnits } from '../../shared/money';
import { networkPayableOf, overdueOf, positionOf } from '../account-refs';
import { moved, type TransactionDraft, type TransferDraft } from '../draft';
import { sourceOfLeg } from './place-authorization-hold';

/** What one leg carries of a clearing. */
export type ClearedPart =
  | {
      readonly kind: 'stablecoin_sale' | 'loan_draw';
      readonly legId: string;
      readonly asset: AssetCode;
      /** Base units taken, priced at this posting. */
      readonly amount: BaseUnits;
      /** Cents covered. */
      readonly amountUsd: BaseUnits;
      /** The hold it is taken from; null for a leg that was planned for this clearing. */
      readonly holdTransferId: string | null;
    }
  | { readonly kind: 'overdue'; readonly legId: string; readonly amountUsd: BaseUnits };

export interface PostCardClearingInput {
  readonly cardTransactionId: string;
  readonly programId: string;
  readonly accountId: string;
  /** The network's date. */
  readonly effectiveAt: Date;
  /** In plan order; Σ amountUsd is the clearing's amount. */
  readonly parts: readonly ClearedPart[];
}

/** The network spent the money: each leg gives its tokens (or becomes overdue) and owes its part to the network. */
export function postCardClearing(input: PostCardClearingInput): TransactionDraft {
  return {
    template: 'post-card-clearing',
    idempotencyKey: `clearing:${input.cardTransactionId}`,
    effectiveAt: input.effectiveAt,
    transfers: input.parts.flatMap((part) => [
      takenFrom(input.accountId, part),
      moved('owed-to-network', positionOf('USD'), networkPayableOf(input.programId), part.amountUsd, part.legId),
    ]),
  };
}

function takenFrom(accountId: string, part: ClearedPart): TransferDraft {
  if (part.kind === 'overdue')
    return moved('overdue', overdueOf(accountId), positionOf('USD'), part.amountUsd, part.legId);
  const label = part.kind === 'stablecoin_sale' ? 'spent-funds' : 'lent';
  const taken = moved(label, sourceOfLeg(accountId, part), positionOf(part.asset), part.amount, part.legId);
  return part.holdTransferId === null
    ? taken
    : { ...taken, kind: 'post_pending', pendingTransferId: part.holdTransferId };
}
