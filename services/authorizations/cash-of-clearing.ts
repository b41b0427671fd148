import type { Transaction } from '../database/transaction';
import { maxBigint, minBigint, sumBigint } from '../shared/money';
import { movementsOf, type PurchaseKey } from './card-event.repository';
import type { CardEventContext } from './card-event-context';
import { cashAtTheTill } from './purchase-fee';

/**
 * Cents of a clearing that were handed out as cash: what it says itself, and where it does not say, what is left of the cash that was asked for
 * at the till. Clearings of parts therefore never add up to more than that.
 */
export async function cashOfClearing(
  trx: Transaction,
  { authorization, event }: CardEventContext,
  key: PurchaseKey,
): Promise<bigint> {
  if (event.cashAmount > 0n || authorization === null) return event.cashAmount;
  const asked = cashAtTheTill(authorization);
  if (asked === 0n || event.amount === 0n) return 0n;
  const before = (await movementsOf(trx, key)).filter(
    (each) => each.kind === 'clearing' && each.cash_withdrawal !== true,
  );
  return minBigint(event.amount, maxBigint(asked - sumBigint(before.map((each) => each.cash_amount)), 0n));
}
