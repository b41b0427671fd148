import type { Transaction } from '../database/transaction';
import type { Channel } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type Decision, decideAuthorization } from './rules/decide-authorization';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { loadSpendSnapshot } from './spend-snapshot.repository';

export interface QuoteInput {
  readonly organizationId: string;
  readonly accountId: string;
  /** A card's own controls and counters are looked at too when one is named. */
  readonly cardId: string | null;
  /** Cents of the program's currency. */
  readonly amount: bigint;
  /** The merchant's category decides how much is held on top; null: a merchant without allowance. */
  readonly mcc: string | null;
  readonly merchantCountry: string | null;
  readonly channel: Channel | null;
}

export interface Quote {
  readonly decision: Decision;
  readonly snapshot: SpendSnapshot;
}

/**
 * What an authorization of this amount would be answered now: the same snapshot and the same pure decision, to the unit.
 * Holds nothing and writes nothing.
 */
export async function quoteSpend(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: QuoteInput,
): Promise<Result<Quote, Refusal>> {
  const snapshot = await loadSpendSnapshot(trx, input.organizationId, input.accountId, input.cardId);
  if (!snapshot) {
    return err(
      refusal(
        'not_found',
        input.cardId === null
          ? 'There is no such account.'
          : 'There is no such account, or the card is not one of its cards.',
      ),
    );
  }
  const decision = decideAuthorization(
    snapshot,
    {
      kind: 'authorization',
      amount: input.amount,
      currency: snapshot.currency,
      mcc: input.mcc ?? '0000',
      merchantId: '',
      merchantCurrency: snapshot.currency,
      cashAmount: 0n,
      fleet: null,
      partner: null,
      merchantCountry: input.merchantCountry ?? '',
      channel: input.channel ?? 'unknown',
      partialApprovalAllowed: false,
      avs: 'not_provided',
      cvc: 'not_provided',
      endedBefore: false,
    },
    deps.clock.now(),
  );
  return ok({ decision, snapshot });
}
