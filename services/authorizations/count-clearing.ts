import { rememberedFor } from '../cards/rules/evaluate-controls';
import { countersNow, countersToStored, countIncrement, countPurchase } from '../cards/rules/limit-counters';
import type { Transaction } from '../database/transaction';
import { isClearedBefore, noteCounted, type PurchaseKey, saveCounters } from './card-event.repository';
import type { CardEventContext } from './card-event-context';
import { standingOf } from './rules/amendment';
import { countedAmount } from './rules/counted-amount';
import { controlsOf } from './rules/snapshot-controls';
import type { SpendSnapshot } from './rules/spend-snapshot';

/**
 * Counts `amount` cents that a clearing brings above what limits counted of its purchase: on the account and on the card that the
 * network names, in the windows that are open now. Where nothing of the purchase is counted (its hold ran out or was given back, it
 * was declined, or nobody asked for it) it counts as a purchase, with all that the controls remember of one but what was typed at a pump.
 * Under the account's lock; the context has the purchase as it was before, the snapshot that card.
 */
export async function countClearing(
  trx: Transaction,
  context: CardEventContext,
  input: {
    readonly key: PurchaseKey;
    readonly snapshot: SpendSnapshot;
    readonly cardTransactionId: string;
    readonly amount: bigint;
  },
): Promise<void> {
  const { organizationId, account, cardId, authorization, event, now } = context;
  const { snapshot, amount } = input;
  const { card } = snapshot;
  const counts = authorization !== null && countedAmount(standingOf(authorization)) > 0n;
  const known = counts || (await isClearedBefore(trx, input.key, input.cardTransactionId));
  await noteCounted(trx, organizationId, input.cardTransactionId, { amount, asPurchase: !known });
  const { id: merchantId, mcc, country: merchantCountry } = authorization?.merchant ?? event.merchant;
  const purchase = { at: authorization?.created_at ?? now, countedAt: now, mcc, merchantId };
  const controls = controlsOf(snapshot, now);
  const spend = { ...event, mcc, merchantId, merchantCountry, fleet: null };
  for (const [scope, scopeId, stored] of [
    ['account', account.id, snapshot.accountCounters],
    ['card', cardId, card?.counters ?? null],
  ] as const) {
    const counters = countersNow(stored, now, snapshot.timeZone);
    const remembered = rememberedFor(scope, controls, spend);
    const next = known
      ? countIncrement(counters, purchase, amount, remembered.velocity)
      : countPurchase(counters, purchase, amount, remembered);
    await saveCounters(trx, organizationId, account.id, scopeId, countersToStored(next));
  }
}
