import type { Knex } from 'knex';
import { newId } from '../database/new-id';
import { inOrganization } from '../database/transaction';
import { networkReservedOf } from '../ledger/account-refs';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { sumBigint } from '../shared/money';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { changeAuthorization, insertCardTransaction } from './card-event.repository';
import { authorizationEventData, heldLegsOf } from './card-event-context';
import { lockAuthorization } from './lock-authorization';
import { consumeHeld, partOfHold, writeParts } from './post-parts';
import { releaseHold } from './release-hold';
import { reservationEvent } from './reservation-event';
import { isOpen } from './rules/authorization-state';
import { type HoldPolicy, isStatusCheck } from './rules/hold-amount';
import { heldUsd, releaseAll } from './rules/hold-legs';
import { loadSpendSnapshot } from './spend-snapshot.repository';

/**
 * Funds a purchase right after its approval, where its program's policy says so: all that is held is posted into a reserve for
 * the network, as a card transaction of our own whose parts are sold and drawn like those of a clearing. Clearings then use
 * the reserve, and what ends the hold buys the rest back. Safe to repeat: what is held for an increment is funded with it. A
 * status check waits until the network tells what it has come to.
 */
export async function fundAtAuthorization(
  deps: { readonly knex: Knex; readonly clock: Clock },
  input: { readonly organizationId: string; readonly authorizationId: string },
): Promise<void> {
  const { organizationId, authorizationId } = input;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    const locked = await lockAuthorization(trx, organizationId, authorizationId);
    if (locked === null) return;
    const { account, authorization } = locked;
    const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorizationId]));
    if (!isOpen(authorization.state) || heldUsd(held) === 0n) return;
    const snapshot = required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account');
    if (snapshot.policy.funding_at !== 'authorization' || isUntold(authorization, snapshot.policy)) return;
    const now = deps.clock.now();

    const consumed = consumeHeld(held, heldUsd(held), snapshot, now);
    const reserved = sumBigint(consumed.shares.map((share) => share.amountUsd));
    if (reserved === 0n) return;
    const cardTransactionId = newId();
    const reference = `reservation:${cardTransactionId}`;
    const event = reservationEvent(authorization, { reference, amount: reserved, at: now });
    const context = { organizationId, account, cardId: authorization.card_id, authorization, event, now };
    // What a move of a price keeps from being reserved is not held either: its clearing takes what the account then has.
    await releaseHold(trx, {
      organizationId,
      authorizationId,
      accountId: account.id,
      reference,
      reason: 'void',
      effectiveAt: now,
      shares: releaseAll(consumed.left).shares,
    });
    await insertCardTransaction(trx, organizationId, event, {
      id: cardTransactionId,
      kind: 'reservation',
      accountId: account.id,
      cardId: authorization.card_id,
      programId: account.program_id,
      authorizationId,
      originalTransactionId: null,
      forced: false,
      feeAmount: 0n,
      cashAmount: 0n,
    });
    await writeParts(trx, context, snapshot, {
      cardTransactionId,
      authorizationId,
      parts: consumed.shares.map((share) => partOfHold(share, held)),
      feeAmount: 0n,
      nextOrdinal: 0,
      into: networkReservedOf(account.program_id),
    });
    const change = { state: authorization.state, reserved };
    await changeAuthorization(trx, organizationId, authorizationId, change);
    await appendEvent(trx, {
      organizationId,
      type: 'authorization.funded',
      resourceKind: 'authorization',
      resourceId: authorizationId,
      data: authorizationEventData(authorization, change),
    });
  });
}

/** Only asked whether the card is good, so far: most of what a pump's hold is for will never be spent. */
function isUntold(authorization: AuthorizationRow, policy: HoldPolicy): boolean {
  const { approved_amount: approved, reversed_amount: reversed, cleared_amount: cleared, merchant } = authorization;
  return cleared === 0n && isStatusCheck(approved - reversed, merchant.mcc, policy);
}
