import type { BaseUnits } from '../../shared/money';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface SweepInput {
  /** Names the movement: the id of the deposit that is swept. */
  readonly reference: string;
  readonly from: LedgerAccountRef;
  readonly to: LedgerAccountRef;
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** Tokens moved from a deposit address to the treasury, confirmed on chain. Whose they are does not change. */
export function sweep(input: SweepInput): TransactionDraft {
  return {
    template: 'sweep',
    idempotencyKey: `sweep:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('swept', input.to, input.from, input.amount)],
  };
}
