import { positionOf } from '../account-refs';
import type { TransactionDraft } from '../draft';
import { type HeldLeg, sourceOfLeg } from './place-authorization-hold';

export interface ReleaseAuthorizationHoldInput {
  readonly authorizationId: string;
  readonly accountId: string;
  /** Names what released it: the message of a reversal or clearing, or the deadline that passed. */
  readonly reference: string;
  readonly reason: 'void' | 'expire';
  readonly effectiveAt: Date;
  /** What each leg's hold gives back. */
  readonly legs: readonly HeldLeg[];
}

/** Gives all or part of a hold back: `void` when somebody said so, `expire` when its time was up. */
export function releaseAuthorizationHold(input: ReleaseAuthorizationHoldInput): TransactionDraft {
  return {
    template: 'release-authorization-hold',
    idempotencyKey: `authorization:${input.authorizationId}:release:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: input.legs.map((leg) => ({
      label: leg.kind === 'stablecoin_sale' ? 'release-funds' : 'release-loan',
      kind: input.reason === 'void' ? 'void_pending' : 'expire_pending',
      debit: sourceOfLeg(input.accountId, leg),
      credit: positionOf(leg.asset),
      amount: leg.amount,
      legId: leg.legId,
      pendingTransferId: leg.holdTransferId,
    })),
  };
}
