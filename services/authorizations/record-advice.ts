import { bumpAccountVersion } from '../accounts/account.repository';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { CardEvent } from '../providers/processor/port';
import { sealAlone } from '../receipts/seal-alone';
import type { ReceiptSealer } from '../receipts/seal-receipts';
import { sha256Hex } from '../receipts/sha256';
import { required } from '../shared/assert';
import { minBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import {
  changeAuthorization,
  clearedUnlinked,
  insertAdvisedAuthorization,
  linkClearings,
} from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  purchaseKeyOf,
  type RecordedCardEvent,
} from './card-event-context';
import { extendHold } from './extend-hold';
import { heldFor, holdOfToldTotal, narrowHold } from './narrow-status-check';
import { changesSince } from './order-of-messages.repository';
import { isAskedAsCash } from './purchase-fee';
import { type AmendingMessage, recordAmendment } from './record-amendment';
import { reversePart } from './reverse-part';
import { amendmentOf, snapshotForAmendment, standingOf, toldTotal } from './rules/amendment';
import { NOTHING_MORE } from './rules/answer-without-plan';
import { isOpen } from './rules/authorization-state';
import { countedAmount } from './rules/counted-amount';
import { decideAuthorization, type SpendRequest } from './rules/decide-authorization';
import { holdExpiry } from './rules/hold-amount';
import { type DatedChange, totalNow } from './rules/order-of-messages';
import { marketRecord, receiptText } from './rules/receipt';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { loadSpendSnapshot } from './spend-snapshot.repository';
import { takenOfOpen } from './taken-of-open';

/**
 * The network tells what a purchase has come to without asking: the terminal was offline, the network answered for us, or did
 * not wait for our answer. Its message is the truth, whatever we said. More is held as far as the account covers it (the
 * clearing posts in any case), less is given back, and a purchase that we never heard of begins with it. A message from
 * before the last total is part of that total already; one from before other messages says what the purchase had come to when they
 * came, so that what was approved, given back or cleared since is put on top of it, or taken from it.
 */
export async function recordAdvice(
  trx: Transaction,
  context: CardEventContext,
  sealer: ReceiptSealer,
): Promise<RecordedCardEvent> {
  const { organizationId, account, cardId, event, now } = context;
  const snapshot = required(
    await loadSpendSnapshot(trx, organizationId, account.id, cardId),
    'the snapshot of an account',
  );
  const known = context.authorization;
  if (known !== null && known.advised_at !== null && event.effectiveAt < known.advised_at) {
    return { authorizationId: known.id, cardTransactionId: null };
  }
  if (known === null && event.amount === 0n) {
    await bumpAccountVersion(trx, organizationId, account.id);
    return { authorizationId: null, cardTransactionId: null };
  }
  const key = purchaseKeyOf(context, known?.id ?? null);
  const since = await changesSince(trx, key, event.effectiveAt);
  const cleared = known === null ? await clearedUnlinked(trx, key) : 0n;
  if (known === null && totalNow(event.amount, cleared, since) <= cleared) {
    // All of it was cleared, or given back, before we heard of it.
    await bumpAccountVersion(trx, organizationId, account.id);
    return { authorizationId: null, cardTransactionId: null };
  }
  const authorization =
    known === null
      ? await begin(trx, context, snapshot, { cleared, since, sealer })
      : await linked(trx, context, known);
  const isTotal = event.amountBasis === 'total' || known === null;
  await advise(trx, {
    authorization,
    snapshot,
    begins: known === null,
    message: {
      kind: 'advice',
      messageId: event.messageId,
      contentHash: event.contentHash,
      occurredAt: event.effectiveAt,
      respondBy: null,
      amount: isTotal ? totalNow(event.amount, authorization.cleared_amount, since) : event.amount,
      amountBasis: isTotal ? 'total' : 'delta',
    },
    sealer,
    now,
  });
  return { authorizationId: authorization.id, cardTransactionId: null };
}

/** A purchase with what was cleared of it before we knew it: the total that is told has that in it. */
async function linked(
  trx: Transaction,
  context: CardEventContext,
  authorization: AuthorizationRow,
): Promise<AuthorizationRow> {
  const { organization_id: organizationId, id, approved_amount: approved } = authorization;
  const cleared = await linkClearings(trx, { ...purchaseKeyOf(context, id), authorizationId: id });
  if (cleared === 0n) return authorization;
  const open = isOpen(authorization.state);
  const state = open ? 'partially_cleared' : authorization.state;
  // What may still be cleared of one that is open is as it was.
  const approvedAmount = open ? approved + cleared : approved;
  await changeAuthorization(trx, organizationId, id, { state, cleared, approvedAmount });
  const cleared_amount = authorization.cleared_amount + cleared;
  return { ...authorization, state, cleared_amount, approved_amount: approvedAmount };
}

/** Applies what the network told of a purchase. Under the account's lock. */
export async function advise(
  trx: Transaction,
  input: {
    readonly authorization: AuthorizationRow;
    readonly snapshot: SpendSnapshot;
    /** The purchase begins with this message: its own row has the receipt. */
    readonly begins?: boolean;
    readonly message: AmendingMessage & Pick<CardEvent, 'amount'>;
    readonly sealer: ReceiptSealer;
    readonly now: Date;
  },
): Promise<void> {
  const { authorization, snapshot, message, now } = input;
  const { messageId, occurredAt: effectiveAt } = message;
  const { organization_id: organizationId, id: authorizationId } = authorization;
  const standing = standingOf(authorization);
  const amendment = amendmentOf(standing, message.amount, message.amountBasis);
  const begins = input.begins === true;
  const purchase = {
    total: amendment.total,
    begunAt: authorization.created_at,
    open: isOpen(authorization.state) && !begins,
    // It is told as what the purchase began with: of cash, that was held with it.
    fixedFeeHeld: true,
    channel: authorization.channel,
    taken: begins ? [] : await takenOfOpen(trx, authorization),
  };
  // The one that was read and is counted on: another card of the account may have been used.
  const cardId = snapshot.card?.id ?? authorization.card_id;
  const recorded = { authorization, cardId, message, purchase, snapshot, now };
  const holdFor = purchase.open ? await holdOfToldTotal(trx, authorization, { amendment, snapshot }) : null;
  const narrow = async (): Promise<void> => {
    if (holdFor !== null) await narrowHold(trx, authorization, { wanted: holdFor, messageId, effectiveAt });
  };
  if (amendment.more <= 0n) {
    const givenBack = -amendment.more;
    if (givenBack > 0n) {
      const part = { authorization, timeZone: snapshot.timeZone, amount: givenBack, messageId, effectiveAt, now };
      await reversePart(trx, { ...part, advisedAt: effectiveAt, ...(holdFor === null ? {} : { holdFor }) });
    } else {
      const { state } = authorization;
      await narrow();
      await bumpAccountVersion(trx, organizationId, authorization.account_id);
      await changeAuthorization(trx, organizationId, authorizationId, { state, advisedAt: effectiveAt });
    }
    await recordAmendment(trx, input.sealer, {
      ...recorded,
      request: spendOf(authorization, 0n),
      decision: NOTHING_MORE,
      facts: { total: { standing, told: toldTotal(amendment, message), givenBack } },
      granted: 0n,
      legIds: [],
    });
    return;
  }
  const spend = spendOf(authorization, amendment.more);
  const told = decideAuthorization(snapshotForAmendment(snapshot, purchase), spend, now);
  // One that was cleared before we knew it, or after we had declined it, was counted as a purchase then: it is not one more.
  const isKnownToLimits = (begins || standing.state === 'declined') && countedAmount(standing) > 0n;
  const { counters } = isKnownToLimits
    ? decideAuthorization(snapshotForAmendment(snapshot, { ...purchase, open: true }), spend, now)
    : told;
  const narrowed = holdFor !== null && (await heldFor(trx, authorization)) >= holdFor;
  const change = await extendHold(trx, {
    authorization,
    amendment,
    granted: amendment.more,
    decision: { ...told, counters, ...(narrowed ? { legs: [], feeAmount: 0n } : {}) },
    cardId,
    messageId,
    effectiveAt,
    expiresAt: holdExpiry(now, authorization.merchant.mcc, snapshot.policy),
    advisedAt: effectiveAt,
  });
  // Only now, also where more had to be held: what there is for it is never let go before.
  await narrow();
  if (!begins) {
    await recordAmendment(trx, input.sealer, {
      ...recorded,
      request: spend,
      decision: told,
      facts: { narrowed },
      granted: amendment.more,
      openedAgain: !purchase.open && !isKnownToLimits,
      legIds: change.legIds,
    });
  }
  await appendEvent(trx, {
    organizationId,
    type: 'authorization.advised',
    resourceKind: 'authorization',
    resourceId: authorizationId,
    data: authorizationEventData(authorization, change),
  });
}

function spendOf(authorization: AuthorizationRow, amount: bigint): SpendRequest {
  const { merchant } = authorization;
  return {
    kind: 'advice',
    amount,
    currency: authorization.currency,
    mcc: merchant.mcc,
    merchantId: merchant.id,
    merchantCountry: merchant.country,
    merchantCurrency: authorization.merchant_currency,
    cashAmount: isAskedAsCash(authorization) ? amount : 0n,
    fleet: null,
    partner: null,
    channel: authorization.channel,
    partialApprovalAllowed: false,
    avs: 'not_provided',
    cvc: 'not_provided',
    endedBefore: false,
  };
}

/** The row of a purchase that begins with what the network told; its hold is placed like that of any other advice. */
async function begin(
  trx: Transaction,
  context: CardEventContext,
  snapshot: SpendSnapshot,
  input: {
    /** What was cleared of it before, and what was said of it since the moment that is told of. */
    readonly cleared: bigint;
    readonly since: readonly DatedChange[];
    readonly sealer: ReceiptSealer;
  },
): Promise<AuthorizationRow> {
  const { organizationId, account, cardId, event, now } = context;
  const { cleared, since, sealer } = input;
  const id = newId();
  const opening = { id, organizationId, accountId: account.id, cardId, programId: account.program_id, event, now };
  const amount = totalNow(event.amount, cleared, since) - cleared;
  const row = openingRow({ ...opening, amount, cleared });
  const spend = spendOf(row, amount);
  const market = marketRecord(snapshot);
  const subject = { authorizationId: id, contentHash: event.contentHash };
  const decision = decideAuthorization(snapshot, spend, now);
  const marketHash = sha256Hex(market);
  const receipt = receiptText({ subject, snapshot, request: spend, decision, now, marketHash });
  const batchId = await sealAlone(trx, sealer, receipt, market);
  const sealed = { ...row, receipt, batch_id: batchId, batch_ordinal: 0 };
  await insertAdvisedAuthorization(trx, sealed, event.contentHash);
  if (cleared > 0n) await linkClearings(trx, { ...purchaseKeyOf(context, id), authorizationId: id });
  return sealed;
}

function openingRow(opening: {
  readonly id: string;
  readonly organizationId: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly programId: string;
  readonly event: CardEvent;
  /** Cents that are still to be cleared, and that were before. */
  readonly amount: bigint;
  readonly cleared: bigint;
  readonly now: Date;
}): AuthorizationRow {
  const { event, amount, cleared, now } = opening;
  return {
    organization_id: opening.organizationId,
    id: opening.id,
    account_id: opening.accountId,
    card_id: opening.cardId,
    program_id: opening.programId,
    vendor: event.vendor,
    processor_authorization_id: event.processorAuthorizationId,
    message_id: event.messageId,
    kind: 'advice',
    state: cleared > 0n ? 'partially_cleared' : 'pending',
    decline_reason: null,
    currency: event.currency,
    requested_amount: amount,
    approved_amount: cleared,
    hold_amount: 0n,
    fee_amount: 0n,
    reserved_amount: 0n,
    cash_amount: minBigint(event.cashAmount, amount),
    cleared_amount: cleared,
    reversed_amount: 0n,
    refunded_amount: 0n,
    avs: 'not_provided',
    cvc: 'not_provided',
    merchant_amount: event.merchantAmount,
    merchant_currency: event.merchantCurrency,
    merchant: event.merchant,
    channel: event.channel,
    receipt: '',
    batch_id: null,
    batch_ordinal: null,
    occurred_at: event.effectiveAt,
    respond_by: event.effectiveAt,
    expires_at: null,
    advised_at: null,
    created_at: now,
    updated_at: now,
  };
}
