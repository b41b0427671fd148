import { announceOverdue } from '../accounts/announce-overdue';
import { loadAssetCatalog } from '../assets/load-asset-catalog';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { markOverdueFunded, markTransactionFundedIfWhole, overdueInCollection } from '../funding/funding.repository';
import type { LedgerAccountRef } from '../ledger/draft';
import { postTransactions } from '../ledger/post-transactions';
import { postRefund, type RefundedPart } from '../ledger/templates/post-refund';
import { appendCommand } from '../outbox/append-command';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import { maxBigint, sumBigint } from '../shared/money';
import { usdDocument } from '../shared/money-document';
import type { AuthorizationRow, FundingLegRow } from './authorization.repository';
import {
  addRefunded,
  addToAccount,
  addToLeg,
  changeAuthorization,
  findAuthorizationOf,
  findDrawForRefund,
  insertCardTransaction,
  insertLeg,
  insertLegPosting,
  insertRefundRepayment,
  postedLegsOf,
  refundDraw,
  reservationsOf,
  spendingOf,
} from './card-event.repository';
import {
  authorizationEventData,
  type CardEventContext,
  type RecordedCardEvent,
  transactionEventData,
} from './card-event-context';
import { feeOfEvent } from './purchase-fee';
import { type RefundableLeg, type RefundShare, type RefundSplit, refundLoan, splitRefund } from './rules/refund-split';
import { refundedTransactions } from './rules/refunded-transactions';
import { PAR_USD_E8, refundCurrency } from './rules/trusted-price';
import { loadSpendSnapshot } from './spend-snapshot.repository';

/**
 * Records money that the network gives back: what is overdue is paid first, then the purchase's own loan and tokens, at
 * the purchase's rate. The ledger owes the cardholder the tokens at once; buying them back and repaying the venue follow
 * (workflow `repayLoan`, one repayment row for each part).
 */
export async function recordRefund(trx: Transaction, context: CardEventContext): Promise<RecordedCardEvent> {
  const { organizationId, account, event } = context;
  if (event.amount === 0n) return { authorizationId: context.authorization?.id ?? null, cardTransactionId: null };
  const purchaseId = event.originalProcessorAuthorizationId ?? event.processorAuthorizationId;
  const authorization = await purchaseAuthorization(trx, context, purchaseId);
  const key = {
    organizationId,
    accountId: account.id,
    vendor: event.vendor,
    processorAuthorizationId: purchaseId,
    authorizationId: authorization?.id ?? null,
  };
  const spending = await spendingOf(trx, key);
  const legs = await postedLegsOf(
    trx,
    organizationId,
    [...spending, ...(authorization === null ? [] : await reservationsOf(trx, organizationId, authorization.id))].map(
      (each) => each.id,
    ),
  );
  const given = refundedTransactions(spending, event.amount);
  const original = given[0] ?? spending[0];
  const feeAmount = await feeOfEvent(trx, context, { kind: 'refund', purchase: key, authorization });
  const split = await splitOf(trx, context, { legs, amountUsd: event.amount + feeAmount });

  const cardTransactionId = newId();
  const transaction = {
    id: cardTransactionId,
    kind: 'refund' as const,
    authorizationId: authorization?.id ?? null,
    forced: false,
    feeAmount,
  };
  await insertCardTransaction(trx, organizationId, event, {
    ...transaction,
    accountId: account.id,
    cardId: context.cardId,
    programId: account.program_id,
    originalTransactionId: original?.id ?? null,
    cashAmount: 0n,
  });
  for (const each of given) await addRefunded(trx, organizationId, each.id, each.amount);
  await giveBack(trx, context, { cardTransactionId, feeAmount, split });
  if (authorization !== null) {
    const change = { state: authorization.state, refunded: event.amount };
    await changeAuthorization(trx, organizationId, authorization.id, change);
  }
  await appendEvent(trx, {
    organizationId,
    type: 'transaction.refunded',
    resourceKind: 'cardTransaction',
    resourceId: cardTransactionId,
    data: {
      ...transactionEventData(context, transaction, split.shares),
      overdue_paid: usdDocument(split.overdueUsd),
      authorization:
        authorization === null
          ? null
          : authorizationEventData(authorization, { state: authorization.state, refunded: event.amount }),
    },
  });
  return { authorizationId: authorization?.id ?? null, cardTransactionId };
}

async function purchaseAuthorization(
  trx: Transaction,
  context: CardEventContext,
  purchaseId: string,
): Promise<AuthorizationRow | null> {
  if (purchaseId === context.event.processorAuthorizationId) return context.authorization;
  const { organizationId, account, event } = context;
  return (await findAuthorizationOf(trx, organizationId, account.id, event.vendor, purchaseId)) ?? null;
}

/** How an amount given back divides over the account's debts and the legs that it was taken from. */
export async function splitOf(
  trx: Transaction,
  context: CardEventContext,
  refund: { readonly legs: readonly FundingLegRow[]; readonly amountUsd: bigint },
): Promise<RefundSplit> {
  const { organizationId, account } = context;
  const snapshot = required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account');
  const assets = await loadAssetCatalog(trx);
  const isDollar = (code: string) => assets.get(code)?.peggedTo === 'USD';
  const { asset, priceUsdE8 } = required(
    refundCurrency(snapshot.policy.stablecoins, snapshot.prices, isDollar, context.now),
    'a stablecoin of the program with a price',
  );
  return splitRefund({
    amountUsd: refund.amountUsd,
    // What a sale under way will pay is not paid a second time.
    accountOverdueUsd: maxBigint(
      account.overdue_amount - (await overdueInCollection(trx, organizationId, account.id)),
      0n,
    ),
    legs: refund.legs.flatMap(toRefundable),
    otherwise: {
      asset,
      priceUsdE8,
      decimals: required(snapshot.decimals[asset], `decimals of ${asset}`),
    },
  });
}

/** Legs of a purchase as the split sees them; tokens taken later for its overdue part were sold at a rate of their own. */
function toRefundable(leg: FundingLegRow): readonly RefundableLeg[] {
  if (leg.kind === 'refund' || (leg.kind === 'overdue' && leg.asset !== 'USD')) return [];
  return [
    {
      legId: leg.id,
      kind: leg.kind,
      asset: leg.asset,
      postedAmount: leg.posted_amount,
      postedUsd: leg.posted_usd,
      refundedAmount: leg.refunded_amount,
      refundedUsd: leg.refunded_usd,
    },
  ];
}

/** One share with what it does to the draw it undoes, and the posting that buys its tokens back. */
interface GivenShare {
  readonly share: RefundShare;
  readonly parts: readonly RefundedPart[];
  readonly principal: bigint;
  readonly unconfirmed: bigint;
}

/** Posts what a refund gives back, and has its tokens bought. Under the account's lock. */
export async function giveBack(
  trx: Transaction,
  context: CardEventContext,
  refund: {
    readonly cardTransactionId: string;
    readonly feeAmount: bigint;
    readonly split: RefundSplit;
    /** Who gives it back; the network, when left out. */
    readonly from?: LedgerAccountRef;
  },
): Promise<void> {
  const { cardTransactionId, feeAmount, split } = refund;
  const { organizationId, account, event } = context;
  const legId = newId();
  await insertLeg(trx, refundLeg(context, { legId, cardTransactionId, amount: event.amount + feeAmount }));
  const given: GivenShare[] = [];
  for (const share of split.shares) given.push(await giveShare(trx, context, share));
  for (const share of split.shares) {
    if (share.legId !== null) await addToLeg(trx, organizationId, 'refunded', { ...share, legId: share.legId });
  }
  for (const paid of split.overdueShares) {
    await addToLeg(trx, organizationId, 'refunded', { ...paid, amount: paid.amountUsd });
  }
  await postTransactions(trx, organizationId, [
    postRefund({
      cardTransactionId,
      legId,
      programId: account.program_id,
      accountId: account.id,
      amountUsd: event.amount,
      feeUsd: feeAmount,
      ...(refund.from === undefined ? {} : { from: refund.from }),
      overdueUsd: split.overdueUsd,
      parts: given.flatMap((each) => each.parts),
      effectiveAt: event.effectiveAt,
    }),
  ]);
  await addToAccount(trx, organizationId, account.id, {
    loanUnconfirmed: -sumBigint(given.map((each) => each.unconfirmed)),
    overdueUsd: -split.overdueUsd,
  });
  await announceOverdue(trx, { organizationId, accountId: account.id, changeUsd: -split.overdueUsd });
  if (split.overdueUsd > 0n && split.overdueUsd === account.overdue_amount) {
    await markOverdueFunded(trx, organizationId, account.id);
  }
  for (const each of given) await orderBuyBack(trx, context, { legId, cardTransactionId, given: each });
  // A refund that only paid what was overdue has nothing to buy.
  await markTransactionFundedIfWhole(trx, organizationId, cardTransactionId);
}

async function giveShare(trx: Transaction, context: CardEventContext, share: RefundShare): Promise<GivenShare> {
  const { organizationId, account } = context;
  const { asset, amount, legId } = share;
  const toFunds: GivenShare = { share, parts: [{ kind: 'funds', asset, amount }], principal: 0n, unconfirmed: 0n };
  if (share.kind !== 'loan_draw' || legId === null) return toFunds;
  const draw = await findDrawForRefund(trx, organizationId, account.id, legId, asset);
  if (draw === undefined) return toFunds;
  const loan = refundLoan({
    amount,
    principalOpen: draw.principal_open,
    confirmedOpen: maxBigint(draw.principal_confirmed - draw.principal_repaid, 0n),
    interestOpen: draw.interest_open,
    venueInterestPosted: draw.venue_interest,
    spreadPosted: draw.spread,
    shares: draw.shares,
  });
  await refundDraw(trx, organizationId, legId, {
    principal: loan.principal,
    interest: loan.interest,
    shares: loan.sharesLeft,
    repaid: loan.principal > 0n && loan.principal === draw.principal_open && loan.unconfirmed === 0n,
  });
  return {
    share,
    parts: [
      {
        kind: 'loan',
        drawId: legId,
        asset,
        principal: loan.principal,
        venueInterest: loan.venueInterest,
        spreadInterest: loan.interest - loan.venueInterest,
      },
      { kind: 'funds', asset, amount: loan.toFunds },
    ],
    principal: loan.principal,
    unconfirmed: loan.unconfirmed,
  };
}

async function orderBuyBack(
  trx: Transaction,
  context: CardEventContext,
  input: { readonly legId: string; readonly cardTransactionId: string; readonly given: GivenShare },
): Promise<void> {
  const { organizationId, account } = context;
  const { share, principal } = input.given;
  if (share.amount === 0n) return;
  const postingId = newId();
  await insertLegPosting(trx, organizationId, {
    id: postingId,
    legId: input.legId,
    accountId: account.id,
    cardTransactionId: input.cardTransactionId,
    kind: 'refund',
    asset: share.asset,
    amount: share.amount,
    amountUsd: share.amountUsd,
  });
  const repaymentId = newId();
  await insertRefundRepayment(trx, organizationId, {
    id: repaymentId,
    accountId: account.id,
    asset: share.asset,
    amount: share.amount,
    venueAmount: principal,
    postingId,
  });
  await appendCommand(trx, {
    organizationId,
    workflowType: 'repayLoan',
    workflowId: `repayment:${repaymentId}`,
    payload: { organizationId, repaymentId },
  });
}

function refundLeg(
  context: CardEventContext,
  leg: { readonly legId: string; readonly cardTransactionId: string; readonly amount: bigint },
): FundingLegRow {
  const { legId, cardTransactionId, amount } = leg;
  return {
    organization_id: context.organizationId,
    id: legId,
    account_id: context.account.id,
    authorization_id: null,
    card_transaction_id: cardTransactionId,
    ordinal: 0,
    kind: 'refund',
    asset: 'USD',
    price_usd_e8: PAR_USD_E8,
    held_amount: 0n,
    held_usd: 0n,
    posted_amount: amount,
    posted_usd: amount,
    released_amount: 0n,
    released_usd: 0n,
    refunded_amount: 0n,
    refunded_usd: 0n,
    hold_transfer_id: null,
  };
}
