import type { AccountRow } from '../accounts/account.repository';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { networkReservedOf } from '../ledger/account-refs';
import { minBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import {
  addRefunded,
  changeAuthorization,
  insertCardTransaction,
  postedLegsOf,
  reservationsOf,
} from './card-event.repository';
import { giveBack, splitOf } from './record-refund';
import { reservationEvent } from './reservation-event';
import { refundedTransactions } from './rules/refunded-transactions';

/**
 * Gives back `amount` cents of what was set aside for a purchase, as a refund of our own: its loan and its tokens at the
 * rate at which they were taken, bought back by the workflow of refunds. Nothing without a reserve. Under the account's lock.
 */
export async function returnReservation(
  trx: Transaction,
  input: {
    readonly authorization: AuthorizationRow;
    readonly account: AccountRow;
    readonly amount: bigint;
    readonly reference: string;
    readonly effectiveAt: Date;
    readonly now: Date;
  },
): Promise<void> {
  const { authorization, account, reference, effectiveAt, now } = input;
  const { organization_id: organizationId, id: authorizationId, card_id: cardId } = authorization;
  const amount = minBigint(input.amount, authorization.reserved_amount);
  if (amount === 0n) return;
  const reservations = await reservationsOf(trx, organizationId, authorizationId);
  const ids = reservations.map((reservation) => reservation.id);
  const given = refundedTransactions(reservations, amount);
  const original = given[0] ?? reservations[0];
  const event = reservationEvent(authorization, { reference: `return:${reference}`, amount, at: effectiveAt });
  const context = { organizationId, account, cardId, authorization, event, now };
  const split = await splitOf(trx, context, {
    legs: await postedLegsOf(trx, organizationId, ids),
    amountUsd: amount,
  });
  const cardTransactionId = newId();
  await insertCardTransaction(trx, organizationId, event, {
    id: cardTransactionId,
    kind: 'reservation_return',
    accountId: account.id,
    cardId,
    programId: account.program_id,
    authorizationId,
    originalTransactionId: original?.id ?? null,
    forced: false,
    feeAmount: 0n,
    cashAmount: 0n,
  });
  for (const each of given) await addRefunded(trx, organizationId, each.id, each.amount);
  const from = networkReservedOf(account.program_id);
  await giveBack(trx, context, { cardTransactionId, feeAmount: 0n, split, from });
  await changeAuthorization(trx, organizationId, authorizationId, { state: authorization.state, reserved: -amount });
}
