import { bumpAccountVersion } from '../accounts/account.repository';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { markTransactionFundedIfWhole } from '../funding/funding.repository';
import { planFunding } from '../funding/rules/plan-funding';
import { postTransactions } from '../ledger/post-transactions';
import { spendReservation } from '../ledger/templates/spend-reservation';
import { appendEvent } from '../outbox/append-event';
import { invariant, required } from '../shared/assert';
import { minBigint, sumBigint } from '../shared/money';
import { findAuthorization, fundingLegsOf } from './authorization.repository';
import {
  changeAuthorization,
  findAuthorizationOf,
  insertCardTransaction,
  refundedAhead,
  refundsOf,
} from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  heldLegsOf,
  isAllCash,
  purchaseKeyOf,
  type RecordedCardEvent,
  transactionEventData,
} from './card-event-context';
import { cashOfClearing } from './cash-of-clearing';
import { countClearing } from './count-clearing';
import { dueSinceEvent } from './due-since-event';
import { consumeHeld, type Part, partOfHold, writeParts } from './post-parts';
import { feeOfEvent } from './purchase-fee';
import { giveLimitBack, releaseHold } from './release-hold';
import { returnReservation } from './return-reservation';
import { reversePart } from './reverse-part';
import { standingOf, stillDue } from './rules/amendment';
import { isOpen, next } from './rules/authorization-state';
import { countedAmount } from './rules/counted-amount';
import { heldUsd, type LegShare, releaseAll, releaseBuffers } from './rules/hold-legs';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { PAR_USD_E8 } from './rules/trusted-price';
import { loadSpendSnapshot } from './spend-snapshot.repository';

/**
 * Records money that the network has spent. It takes from the hold in plan order; what is above the hold (or has none, or
 * comes after it ended) is planned anew from what the account has now, and what nothing covers is overdue. After a last clearing
 * only that is held which was approved on top since the moment of the clearing.
 */
export async function recordClearing(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, cardId, authorization, event } = context;
  const snapshot = required(
    await loadSpendSnapshot(trx, organizationId, account.id, cardId),
    'the snapshot of an account',
  );
  const key = purchaseKeyOf(context, authorization?.id ?? null);
  const feeAmount = await feeOfEvent(trx, context, { kind: 'clearing', purchase: key, authorization });
  const since = authorization !== null && event.final ? await dueSinceEvent(trx, context, authorization) : 0n;
  const spending = since === 0n ? context : { ...context, event: { ...event, final: false } };
  const recorded = await postSpending(trx, spending, {
    kind: 'clearing',
    authorizationId: authorization?.id ?? null,
    snapshot,
    feeAmount,
    cashAmount: await cashOfClearing(trx, context, key),
    // Of most purchases nothing was refunded before they cleared.
    refundedAhead: authorization?.refunded_amount === 0n ? 0n : await refundedAhead(trx, key),
    originalTransactionId: null,
  });
  if (authorization !== null && since > 0n) await endAllBut(trx, context, authorization.id, since);
  return recorded;
}

/** Nothing of a purchase is to be cleared any more but what was approved since. */
async function endAllBut(
  trx: Transaction,
  { organizationId, account, event, now }: CardEventContext,
  authorizationId: string,
  since: bigint,
): Promise<void> {
  const authorization = required(await findAuthorization(trx, organizationId, authorizationId), 'the purchase');
  const lapsed = stillDue(standingOf(authorization)) - since;
  if (lapsed <= 0n) return;
  await reversePart(trx, {
    authorization,
    timeZone: account.time_zone,
    amount: lapsed,
    // The clearing itself has given buffers back under its own name.
    messageId: `${event.messageId}:rest`,
    effectiveAt: event.effectiveAt,
    now,
  });
}

/**
 * The network takes a refund back: the money is spent again, without a hold, and so is the fee that is due again. What it
 * costs belongs to the purchase, so that a further refund finds it.
 */
export async function recordRefundReversal(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, event } = context;
  const snapshot = required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account');
  const purchaseId = event.originalProcessorAuthorizationId ?? event.processorAuthorizationId;
  const named =
    purchaseId === event.processorAuthorizationId
      ? context.authorization
      : ((await findAuthorizationOf(trx, organizationId, account.id, event.vendor, purchaseId)) ?? null);
  const refunds = await refundsOf(trx, purchaseKeyOf(context, named?.id ?? null));
  const refund = refunds.find((each) => each.amount === event.amount) ?? refunds[0];
  // A refund in a transaction of its own has said which purchase it is of.
  const refundedId = refund?.authorization_id ?? null;
  const authorization =
    refundedId === null || refundedId === named?.id ? named : await findAuthorization(trx, organizationId, refundedId);
  const key = { ...purchaseKeyOf(context, authorization?.id ?? null), processorAuthorizationId: purchaseId };
  const feeAmount = await feeOfEvent(trx, context, { kind: 'refund_reversal', purchase: key, authorization });
  const recorded = await postSpending(trx, context, {
    kind: 'refund_reversal',
    authorizationId: authorization?.id ?? null,
    snapshot,
    feeAmount,
    cashAmount: 0n,
    refundedAhead: await refundedAhead(trx, key),
    originalTransactionId: refund?.id ?? null,
  });
  if (authorization !== null && refund?.authorization_id === authorization.id) {
    const refunded = -minBigint(event.amount, refund.amount);
    await changeAuthorization(trx, organizationId, authorization.id, { state: authorization.state, refunded });
  }
  return recorded;
}

interface Spending {
  readonly kind: 'clearing' | 'refund_reversal';
  /** The purchase's. */
  readonly authorizationId: string | null;
  readonly snapshot: SpendSnapshot;
  /** Cents on top of the event's amount. */
  readonly feeAmount: bigint;
  readonly cashAmount: bigint;
  /** Cents that refunds have given back ahead of it. */
  readonly refundedAhead: bigint;
  readonly originalTransactionId: string | null;
}

async function postSpending(
  trx: Transaction,
  context: CardEventContext,
  spending: Spending,
): Promise<RecordedCardEvent> {
  const { organizationId, account, authorization, event, now } = context;
  const { kind, authorizationId, snapshot, feeAmount } = spending;
  const legs = authorization === null ? [] : await fundingLegsOf(trx, organizationId, [authorization.id]);
  const holds = kind === 'clearing' && authorization !== null && isOpen(authorization.state);
  const held = holds ? heldLegsOf(legs) : [];

  // What was funded right after approval is used first, the purchase before its fee.
  const reserved = holds ? authorization.reserved_amount : 0n;
  const fromReserve = minBigint(reserved, event.amount + feeAmount);
  const amountFromReserve = minBigint(fromReserve, event.amount);
  const feeFromReserve = fromReserve - amountFromReserve;
  const reserveLeft = reserved - fromReserve;
  const consumed = consumeHeld(held, event.amount + feeAmount - fromReserve, snapshot, now);
  const ends = holds && (event.final || heldUsd(consumed.left) + reserveLeft === 0n);
  const released = ends ? releaseAll(consumed.left) : releaseBuffers(consumed.left);
  const fromHold = consumed.shares.map((share) => partOfHold(share, held));
  const parts = [...fromHold, ...partsAboveHold(snapshot, released.shares, consumed.uncoveredUsd, now)];
  if (parts.length === 0 && !holds) {
    // A purchase cleared for nothing: an authorization of it that is being decided now must see that it ended.
    if (authorization === null) await bumpAccountVersion(trx, organizationId, account.id);
    return { authorizationId, cardTransactionId: null };
  }

  const cardTransactionId = event.amount > 0n ? newId() : null;
  if (authorization !== null && holds) {
    await releaseHold(trx, {
      organizationId,
      authorizationId: authorization.id,
      accountId: account.id,
      reference: event.messageId,
      reason: 'void',
      effectiveAt: event.effectiveAt,
      shares: released.shares,
    });
  }
  if (cardTransactionId !== null) {
    const transaction = { id: cardTransactionId, kind, authorizationId, forced: !holds, feeAmount };
    await insertCardTransaction(trx, organizationId, event, {
      ...transaction,
      accountId: account.id,
      cardId: context.cardId,
      programId: account.program_id,
      originalTransactionId: spending.originalTransactionId,
      cashAmount: spending.cashAmount,
      ...(kind === 'clearing' ? { cashWithdrawal: isAllCash(event) } : {}),
      refundedBefore: minBigint(event.amount, spending.refundedAhead),
    });
    const nextOrdinal = legs.reduce((most, leg) => Math.max(most, leg.ordinal + 1), 0);
    await writeParts(trx, context, snapshot, {
      cardTransactionId,
      authorizationId,
      parts,
      feeAmount: feeAmount - feeFromReserve,
      nextOrdinal,
    });
    if (authorization !== null && fromReserve > 0n) {
      await postTransactions(trx, organizationId, [
        spendReservation({
          cardTransactionId,
          programId: account.program_id,
          amountUsd: amountFromReserve,
          feeUsd: feeFromReserve,
          effectiveAt: event.effectiveAt,
        }),
      ]);
      if (parts.length === 0) {
        await bumpAccountVersion(trx, organizationId, account.id);
        // All of it was set aside: nothing of its own is left to be sold or drawn.
        await markTransactionFundedIfWhole(trx, organizationId, cardTransactionId);
      }
    }
    await appendEvent(trx, {
      organizationId,
      type: kind === 'clearing' ? 'transaction.posted' : 'transaction.refund_reversed',
      resourceKind: 'cardTransaction',
      resourceId: cardTransactionId,
      data: transactionEventData(context, transaction, parts),
    });
  }
  // Cents that limits have yet to count; negative, that they no longer do.
  let notCounted = kind === 'clearing' ? event.amount : 0n;
  if (authorization !== null && kind === 'clearing') {
    const transition = next(authorization.state, {
      kind: 'cleared',
      holdLeft: heldUsd(released.left) + (ends ? 0n : reserveLeft),
    });
    invariant(transition.kind !== 'refused', 'a clearing always posts');
    const change = { state: transition.state, cleared: event.amount, reserved: -fromReserve };
    await changeAuthorization(trx, organizationId, authorization.id, change);
    await appendEvent(trx, {
      organizationId,
      type: 'authorization.cleared',
      resourceKind: 'authorization',
      resourceId: authorization.id,
      data: authorizationEventData(authorization, change),
    });
    if (ends) {
      await returnReservation(trx, {
        authorization: { ...authorization, state: transition.state, reserved_amount: reserveLeft },
        account,
        amount: reserveLeft,
        reference: event.messageId,
        effectiveAt: event.effectiveAt,
        now,
      });
    }
    const before = standingOf(authorization);
    const after = { ...before, state: transition.state, cleared: before.cleared + event.amount };
    notCounted = countedAmount(after) - countedAmount(before);
    if (notCounted < 0n) {
      const { time_zone: timeZone } = account;
      await giveLimitBack(trx, authorization, {
        timeZone,
        amount: -notCounted,
        countedFor: 'last',
        unspent: event.amount === 0n,
        now,
      });
    }
  }
  if (cardTransactionId !== null && notCounted > 0n) {
    const key = purchaseKeyOf(context, authorizationId);
    await countClearing(trx, context, { key, snapshot, cardTransactionId, amount: notCounted });
  }
  return { authorizationId, cardTransactionId };
}

/** Legs for what no hold covers, from the account as it is once the rest of the hold is free. */
function partsAboveHold(
  snapshot: SpendSnapshot,
  released: readonly LegShare[],
  amountUsd: bigint,
  now: Date,
): readonly Part[] {
  if (amountUsd === 0n) return [];
  const funds = { ...snapshot.funds };
  let loanHold = snapshot.credit.loanHold;
  for (const share of released) {
    if (share.kind === 'loan_draw') loanHold -= share.amount;
    else funds[share.asset] = (funds[share.asset] ?? 0n) + share.amount;
  }
  const plan = planFunding({ ...snapshot, funds, credit: { ...snapshot.credit, loanHold } }, amountUsd, 0, now);
  const planned = plan.legs.map((leg) => ({ ...leg, legId: newId(), holdTransferId: null }));
  const overdue = amountUsd - sumBigint(plan.legs.map((leg) => leg.amountUsd));
  if (overdue === 0n) return planned;
  return [
    ...planned,
    {
      legId: newId(),
      kind: 'overdue',
      asset: 'USD',
      amount: overdue,
      amountUsd: overdue,
      priceUsdE8: PAR_USD_E8,
      holdTransferId: null,
    },
  ];
}
