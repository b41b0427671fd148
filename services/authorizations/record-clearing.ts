import { announceOverdue } from '../accounts/announce-overdue';
import { priceState } from '../credit/rules/price-state';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { planFunding, tokenToUsdRoundUp, usdToTokenRoundUp } from '../funding/rules/plan-funding';
import { postTransactions } from '../ledger/post-transactions';
import { type ClearedPart, postCardClearing } from '../ledger/templates/post-card-clearing';
import { appendEvent } from '../outbox/append-event';
import { invariant, required } from '../shared/assert';
import { minBigint, sumBigint } from '../shared/money';
import { type FundingLegRow, fundingLegsOf } from './authorization.repository';
import {
  addToAccount,
  addToLeg,
  changeAuthorization,
  findAuthorizationOf,
  findPolicyAt,
  insertCardTransaction,
  insertLeg,
  insertLegPosting,
  type PurchaseKey,
  postDrawPrincipal,
  refundsOf,
  spendingOf,
} from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  heldLegsOf,
  type RecordedCardEvent,
  transactionEventData,
} from './card-event-context';
import { giveLimitBack, releaseHold } from './release-hold';
import { isOpen, next } from './rules/authorization-state';
import { feeOfClearing, feeTerms } from './rules/fees';
import { consumeLegs, type HeldLeg, heldUsd, type LegShare, releaseAll, releaseBuffers } from './rules/hold-legs';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { loadSpendSnapshot } from './spend-snapshot.repository';

const PAR_USD_E8 = 100_000_000n;

/** One part of a clearing as it is posted, with what its leg must know. */
interface Part {
  readonly legId: string;
  readonly kind: 'stablecoin_sale' | 'loan_draw' | 'overdue';
  readonly asset: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
  readonly priceUsdE8: bigint;
  /** Null for a leg made for this clearing. */
  readonly holdTransferId: string | null;
}

/**
 * Records money that the network has spent. It takes from the hold in plan order; what is above the hold (or has none, or
 * comes after it ended) is planned anew from what the account has now, and what nothing covers is overdue.
 */
export async function recordClearing(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, authorization, event } = context;
  const snapshot = required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account');
  const key = purchaseKey(context, authorization?.id ?? null);
  const feeAmount = await feeOf(trx, context, key, snapshot);
  return postSpending(trx, context, {
    kind: 'clearing',
    authorizationId: authorization?.id ?? null,
    snapshot,
    feeAmount,
    cashAmount: authorization === null ? event.cashAmount : minBigint(authorization.cash_amount, event.amount),
    originalTransactionId: null,
  });
}

/**
 * The network takes a refund back: the money is spent again, without a hold, and so is the fee that went back with it. What it
 * costs belongs to the purchase, so that a further refund finds it.
 */
export async function recordRefundReversal(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, event } = context;
  const snapshot = required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account');
  const purchaseId = event.originalProcessorAuthorizationId ?? event.processorAuthorizationId;
  const authorization =
    purchaseId === event.processorAuthorizationId
      ? context.authorization
      : ((await findAuthorizationOf(trx, organizationId, account.id, event.vendor, purchaseId)) ?? null);
  const refunds = await refundsOf(trx, purchaseKey(context, authorization?.id ?? null));
  const refund = refunds.find((each) => each.amount === event.amount) ?? refunds[0];
  const recorded = await postSpending(trx, context, {
    kind: 'refund_reversal',
    authorizationId: authorization?.id ?? null,
    snapshot,
    feeAmount: refund?.fee_amount ?? 0n,
    cashAmount: 0n,
    originalTransactionId: refund?.id ?? null,
  });
  if (authorization !== null && refund !== undefined) {
    const refunded = -minBigint(event.amount, refund.amount);
    await changeAuthorization(trx, organizationId, authorization.id, { state: authorization.state, refunded });
  }
  return recorded;
}

function purchaseKey(
  { organizationId, account, event }: CardEventContext,
  authorizationId: string | null,
): PurchaseKey {
  const { vendor, processorAuthorizationId } = event;
  return { organizationId, accountId: account.id, vendor, processorAuthorizationId, authorizationId };
}

/**
 * The fee that a clearing brings, on the terms that were in force when the purchase was made: what it was approved on stays,
 * whatever the program decides since.
 */
async function feeOf(
  trx: Transaction,
  { organizationId, account, authorization, event }: CardEventContext,
  key: PurchaseKey,
  snapshot: SpendSnapshot,
): Promise<bigint> {
  const spend = {
    currency: event.currency,
    merchantCurrency: authorization?.merchant_currency ?? event.merchantCurrency,
    cashWithdrawal:
      authorization === null || authorization.kind === 'advice'
        ? event.cashAmount === event.amount
        : authorization.kind === 'cash_withdrawal',
    cashAmount: authorization?.cash_amount ?? 0n,
  };
  const free = spend.merchantCurrency === spend.currency && !spend.cashWithdrawal && spend.cashAmount === 0n;
  if (free || event.amount === 0n) return 0n;
  const policy =
    authorization === null
      ? undefined
      : await findPolicyAt(trx, organizationId, account.program_id, authorization.created_at);
  const before = await spendingOf(trx, key);
  return feeOfClearing(feeTerms(policy ?? snapshot.policy, spend), {
    before: sumBigint(before.map((each) => each.amount)),
    charged: sumBigint(before.map((each) => each.fee_amount)),
    amount: event.amount,
  });
}

interface Spending {
  readonly kind: 'clearing' | 'refund_reversal';
  /** The purchase's. */
  readonly authorizationId: string | null;
  readonly snapshot: SpendSnapshot;
  /** Cents on top of the event's amount. */
  readonly feeAmount: bigint;
  readonly cashAmount: bigint;
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

  const consumed = consumeLegs(
    held,
    event.amount + feeAmount,
    (leg, cents) => priceAtPosting(leg, cents, snapshot, now),
    (leg) => reachAtPosting(leg, snapshot, now),
  );
  const ends = holds && (event.final || heldUsd(consumed.left) === 0n);
  const released = ends ? releaseAll(consumed.left) : releaseBuffers(consumed.left);
  const fromHold = consumed.shares.map((share) => partOfHold(share, held));
  const parts = [...fromHold, ...partsAboveHold(snapshot, released.shares, consumed.uncoveredUsd, now)];
  if (parts.length === 0 && !holds) return { authorizationId, cardTransactionId: null };

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
    });
    const nextOrdinal = legs.reduce((most, leg) => Math.max(most, leg.ordinal + 1), 0);
    await writeParts(trx, context, snapshot, { cardTransactionId, authorizationId, parts, feeAmount, nextOrdinal });
    await appendEvent(trx, {
      organizationId,
      type: kind === 'clearing' ? 'transaction.posted' : 'transaction.refund_reversed',
      resourceKind: 'cardTransaction',
      resourceId: cardTransactionId,
      data: transactionEventData(context, transaction, parts),
    });
  }
  if (authorization !== null && kind === 'clearing') {
    const transition = next(authorization.state, { kind: 'cleared', holdLeft: heldUsd(released.left) });
    invariant(transition.kind !== 'refused', 'a clearing always posts');
    const change = { state: transition.state, cleared: event.amount };
    await changeAuthorization(trx, organizationId, authorization.id, change);
    await appendEvent(trx, {
      organizationId,
      type: 'authorization.cleared',
      resourceKind: 'authorization',
      resourceId: authorization.id,
      data: authorizationEventData(authorization, change),
    });
    const spent = authorization.cleared_amount + event.amount;
    const unspent = authorization.approved_amount - authorization.reversed_amount - spent;
    if (ends && unspent > 0n) {
      const { time_zone: timeZone } = account;
      await giveLimitBack(trx, authorization, { timeZone, amount: unspent, wholly: spent === 0n, now });
    }
  }
  return { authorizationId, cardTransactionId };
}

/** Tokens for cents at today's price where it can be trusted, else at the hold's. */
function priceAtPosting(leg: HeldLeg, cents: bigint, snapshot: SpendSnapshot, now: Date): bigint {
  const priceUsdE8 = trustedPrice(leg.asset, snapshot, now) ?? leg.priceUsdE8;
  return usdToTokenRoundUp(cents, priceUsdE8, required(snapshot.decimals[leg.asset], `decimals of ${leg.asset}`));
}

/** The most cents that a leg's tokens pay at today's price, give or take the rounding of parts; null where it cannot be trusted. */
function reachAtPosting(leg: HeldLeg, snapshot: SpendSnapshot, now: Date): bigint | null {
  const priceUsdE8 = trustedPrice(leg.asset, snapshot, now);
  if (priceUsdE8 === null) return null;
  const decimals = required(snapshot.decimals[leg.asset], `decimals of ${leg.asset}`);
  return tokenToUsdRoundUp(leg.leftAmount, priceUsdE8, decimals);
}

function trustedPrice(asset: string, snapshot: SpendSnapshot, now: Date): bigint | null {
  const price = snapshot.prices[asset];
  const state = priceState(price, now);
  return price !== undefined && (state === 'fresh' || state === 'aging') ? price.priceUsdE8 : null;
}

function partOfHold(share: LegShare, held: readonly HeldLeg[]): Part {
  const leg = required(
    held.find((each) => each.legId === share.legId),
    'the leg of a share',
  );
  return { ...share, priceUsdE8: leg.priceUsdE8 };
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

async function writeParts(
  trx: Transaction,
  context: CardEventContext,
  snapshot: SpendSnapshot,
  input: {
    readonly cardTransactionId: string;
    readonly authorizationId: string | null;
    readonly parts: readonly Part[];
    readonly feeAmount: bigint;
    readonly nextOrdinal: number;
  },
): Promise<void> {
  const { organizationId, account, event } = context;
  const { cardTransactionId, authorizationId, parts } = input;
  let ordinal = input.nextOrdinal;
  for (const part of parts) {
    if (part.holdTransferId === null) {
      await insertLeg(trx, legWithoutHold(context, part, ordinal, { authorizationId, cardTransactionId }));
      ordinal += 1;
    }
    await addToLeg(trx, organizationId, 'posted', part);
    await insertLegPosting(trx, organizationId, {
      ...part,
      id: newId(),
      accountId: account.id,
      cardTransactionId,
    });
    if (part.kind === 'loan_draw') {
      const { venue } = snapshot.policy.credit;
      await postDrawPrincipal(trx, organizationId, { ...part, id: part.legId, accountId: account.id, venue });
    }
  }
  await postTransactions(trx, organizationId, [
    postCardClearing({
      cardTransactionId,
      programId: account.program_id,
      accountId: account.id,
      effectiveAt: event.effectiveAt,
      feeUsd: input.feeAmount,
      parts: parts.map(toClearedPart),
    }),
  ]);
  const loans = parts.filter((part) => part.kind === 'loan_draw');
  const overdueUsd = sumBigint(parts.filter((part) => part.kind === 'overdue').map((part) => part.amountUsd));
  await addToAccount(trx, organizationId, account.id, {
    loanHold: -sumBigint(loans.filter((part) => part.holdTransferId !== null).map((part) => part.amount)),
    loanUnconfirmed: sumBigint(loans.map((part) => part.amount)),
    overdueUsd,
  });
  await announceOverdue(trx, { organizationId, accountId: account.id, changeUsd: overdueUsd });
}

function toClearedPart(part: Part): ClearedPart {
  const { legId, kind, asset, amount, amountUsd, holdTransferId } = part;
  return kind === 'overdue' ? { kind, legId, amountUsd } : { kind, legId, asset, amount, amountUsd, holdTransferId };
}

function legWithoutHold(
  context: CardEventContext,
  part: Part,
  ordinal: number,
  owner: { readonly authorizationId: string | null; readonly cardTransactionId: string },
): FundingLegRow {
  return {
    organization_id: context.organizationId,
    id: part.legId,
    account_id: context.account.id,
    authorization_id: owner.authorizationId,
    card_transaction_id: owner.cardTransactionId,
    ordinal,
    kind: part.kind,
    asset: part.asset,
    price_usd_e8: part.priceUsdE8,
    held_amount: 0n,
    held_usd: 0n,
    posted_amount: 0n,
    posted_usd: 0n,
    released_amount: 0n,
    released_usd: 0n,
    refunded_amount: 0n,
    refunded_usd: 0n,
    hold_transfer_id: null,
  };
}
