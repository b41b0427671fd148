import type { BaseUnits } from '../../shared/money';
import { bankSettlementOf, floatOf } from '../account-refs';
import { type LedgerAccountRef, moved, type TransactionDraft, withoutZeros } from '../draft';

export interface FundOrganizationInput {
  /** Names the payment: a transaction hash, a bank reference. */
  readonly reference: string;
  readonly effectiveAt: Date;
  /** Tokens or ETH that arrived in the operating wallet. */
  readonly tokens: readonly { readonly wallet: LedgerAccountRef; readonly amount: BaseUnits }[];
  /** Cents that arrived in the operating bank account. */
  readonly cash: BaseUnits;
}

/** The organization puts in capital of its own: into its operating wallet, its bank account, or both. */
export function fundOrganization(input: FundOrganizationInput): TransactionDraft {
  return {
    template: 'fund-organization',
    idempotencyKey: `funding:${input.reference}`,
    effectiveAt: input.effectiveAt,
    transfers: withoutZeros([
      ...input.tokens.map(({ wallet, amount }) => moved('capital-token', wallet, floatOf(wallet.asset), amount)),
      moved('capital-cash', bankSettlementOf('operating'), floatOf('USD'), input.cash),
    ]),
  };
}
