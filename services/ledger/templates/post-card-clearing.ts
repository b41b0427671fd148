import type { AssetCode, BaseUnits } from '../../shared/money';
import { minBigint } from '../../shared/money';
import { networkPayableOf, overdueOf, positionOf, revenueOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, type TransferDraft, withoutZeros } from '../draft';
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
  /** Whom the parts are owed to; the network, when left out. */
  readonly into?: LedgerAccountRef;
  /** Cents of the parts that are the program's fee. */
  readonly feeUsd?: BaseUnits;
  /** In plan order; Σ amountUsd is the clearing's amount and its fee. */
  readonly parts: readonly ClearedPart[];
}

/**
 * The network spent the money: each leg gives its tokens (or becomes overdue) and owes its part to the network. The program's
 * fee is what the parts carry beyond the network's amount, the last of them first.
 */
export function postCardClearing(input: PostCardClearingInput): TransactionDraft {
  const into = input.into ?? networkPayableOf(input.programId);
  let toNetwork = input.parts.reduce((sum, part) => sum + part.amountUsd, 0n) - (input.feeUsd ?? 0n);
  return {
    template: 'post-card-clearing',
    idempotencyKey: `clearing:${input.cardTransactionId}`,
    effectiveAt: input.effectiveAt,
    transfers: input.parts.flatMap((part) => {
      const owed = minBigint(part.amountUsd, toNetwork);
      toNetwork -= owed;
      const usd = positionOf('USD');
      return [
        takenFrom(input.accountId, part),
        ...withoutZeros([
          moved('owed-to-network', usd, into, owed, part.legId),
          moved('fee', usd, revenueOf('fees', 'USD'), part.amountUsd - owed, part.legId),
        ]),
      ];
    }),
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
