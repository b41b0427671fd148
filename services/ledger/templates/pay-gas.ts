import type { BaseUnits } from '../../shared/money';
import { expenseOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft } from '../draft';

export interface PayGasInput {
  /** The hash of the transaction that landed: of several attempts of one intent only one pays. */
  readonly transactionHash: string;
  /** ETH account of the sender. */
  readonly sender: LedgerAccountRef;
  /** Gas used × effective gas price, wei; also of a transaction that reverted. */
  readonly cost: BaseUnits;
  readonly effectiveAt: Date;
}

/** Gas is the organization's cost, whoever's operation it was. */
export function payGas(input: PayGasInput): TransactionDraft {
  return {
    template: 'pay-gas',
    idempotencyKey: `gas:${input.transactionHash.toLowerCase()}`,
    effectiveAt: input.effectiveAt,
    transfers: [moved('gas', expenseOf('gas', input.sender.asset), input.sender, input.cost)],
  };
}
