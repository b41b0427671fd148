import type { BaseUnits } from '../../shared/money';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface TopUpGasInput {
  /** Names the movement: the intent key of its chain transaction. */
  readonly reference: string;
  /** ETH account of the operating wallet. */
  readonly from: LedgerAccountRef;
  /** ETH account of the wallet that has to send something. */
  readonly to: LedgerAccountRef;
  /** Wei that arrived; the gas of sending them is a pay-gas of its own. */
  readonly amount: BaseUnits;
  readonly effectiveAt: Date;
}

/** The operating wallet gives another of our wallets the ETH for its gas. */
export function topUpGas(input: TopUpGasInput): TransactionDraft {
  return {
    template: 'top-up-gas',
    idempotencyKey: `gas-top-up:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('gas-money', input.to, input.from, input.amount)],
  };
}
