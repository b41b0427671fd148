import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { planFunding } from '../funding/rules/plan-funding';
import { postTransactions } from '../ledger/post-transactions';
import { placeAuthorizationHold } from '../ledger/templates/place-authorization-hold';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import { sumBigint } from '../shared/money';
import { fundingLegsOf } from './authorization.repository';
import { addToAccount, changeAuthorization, insertLeg } from './card-event.repository';
import { authorizationEventData, type CardEventContext, type RecordedCardEvent } from './card-event-context';
import { recordReversal } from './record-reversal';
import { giveLimitBack } from './release-hold';
import { next } from './rules/authorization-state';
import { holdForAmountRoundUp } from './rules/hold-amount';
import { loadSpendSnapshot } from './spend-snapshot.repository';

/**
 * The network tells the new total of a purchase without asking. Less frees the hold like a reversal of the difference;
 * more holds the difference as far as the account covers it (the clearing posts in any case). Without an open hold the
 * message is only put on record.
 */
export async function recordAdvice(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, authorization, event, now } = context;
  if (authorization === null) return { authorizationId: null, cardTransactionId: null };
  const recorded = { authorizationId: authorization.id, cardTransactionId: null };
  if (next(authorization.state, { kind: 'advised' }).kind === 'refused') return recorded;
  const total = authorization.approved_amount - authorization.reversed_amount;
  if (event.amount < total) {
    return recordReversal(trx, { ...context, event: { ...event, amount: total - event.amount } });
  }
  const more = event.amount - total;
  if (more === 0n) return recorded;

  const snapshot = required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account');
  const hold = holdForAmountRoundUp(more, authorization.merchant.mcc, snapshot.policy);
  const plan = planFunding(snapshot, hold, snapshot.policy.conversion_buffer_bps, now);
  const legs = plan.legs.map((leg) => ({ ...leg, legId: newId(), holdTransferId: newId() }));
  const known = await fundingLegsOf(trx, organizationId, [authorization.id]);
  const nextOrdinal = known.reduce((most, leg) => Math.max(most, leg.ordinal + 1), 0);
  if (legs.length > 0) {
    await postTransactions(trx, organizationId, [
      placeAuthorizationHold({
        authorizationId: authorization.id,
        accountId: account.id,
        increment: event.messageId,
        effectiveAt: event.effectiveAt,
        legs,
      }),
    ]);
  }
  for (const [position, leg] of legs.entries()) {
    await insertLeg(trx, {
      organization_id: organizationId,
      id: leg.legId,
      account_id: account.id,
      authorization_id: authorization.id,
      card_transaction_id: null,
      ordinal: nextOrdinal + position,
      kind: leg.kind,
      asset: leg.asset,
      price_usd_e8: leg.priceUsdE8,
      held_amount: leg.amount,
      held_usd: leg.amountUsd,
      posted_amount: 0n,
      posted_usd: 0n,
      released_amount: 0n,
      released_usd: 0n,
      refunded_amount: 0n,
      refunded_usd: 0n,
      hold_transfer_id: leg.holdTransferId,
    });
  }
  const loans = legs.filter((leg) => leg.kind === 'loan_draw').map((leg) => leg.amount);
  if (loans.length > 0) await addToAccount(trx, organizationId, account.id, { loanHold: sumBigint(loans) });
  const change = {
    state: authorization.state,
    approvedAmount: authorization.approved_amount + more,
    holdAmount: authorization.hold_amount + sumBigint(legs.map((leg) => leg.amountUsd)),
  };
  await changeAuthorization(trx, organizationId, authorization.id, change);
  // What a reversal or the expiry gives back later must have been counted, or it would free what other purchases used.
  await giveLimitBack(trx, authorization, { timeZone: account.time_zone, amount: -more, wholly: false, now });
  await appendEvent(trx, {
    organizationId,
    type: 'authorization.advised',
    resourceKind: 'authorization',
    resourceId: authorization.id,
    data: authorizationEventData(authorization, change),
  });
  return recorded;
}
