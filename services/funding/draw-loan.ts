import { type AccountRow, findAccount, lockAccount } from '../accounts/account.repository';
import { announceOverdue } from '../accounts/announce-overdue';
import type { ChainCallOutcome, LendingVenue } from '../chain/port';
import { type BookedAccrual, bookAccrual, readVenue, type VenueReading } from '../credit/accrue-interest';
import { ensureDelegation } from '../credit/ensure-delegation';
import { changeAccountLoans, changeDraw, findDraw, insertDrawIfMissing } from '../credit/loan.repository';
import { drawSharesRoundUp } from '../credit/rules/interest';
import { inOrganization, type Transaction } from '../database/transaction';
import { interestOf, venueDebtOf, walletOf } from '../ledger/account-refs';
import { balanceOf } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { drawLoan as drawLoanDraft } from '../ledger/templates/draw-loan';
import { failDraw } from '../ledger/templates/fail-draw';
import { undoReorgedDraw } from '../ledger/templates/return-draw';
import { venueRounding } from '../ledger/templates/venue-rounding';
import { appendEvent } from '../outbox/append-event';
import { invariant, required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { maxBigint, minBigint } from '../shared/money';
import { moneyDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { bookFinishedGas, bookGasOf } from '../treasury/book-gas';
import { ensureGas } from '../treasury/ensure-gas';
import { runCall } from '../treasury/run-call';
import {
  accountWallet,
  type ChainStepDeps,
  type OrganizationWallets,
  organizationWallets,
  tokenDecimals,
  type Wallet,
} from '../treasury/wallets';
import { collectOverdue } from './collect-overdue';
import {
  type DrawOrderRow,
  findDrawOrder,
  findSale,
  findVenueOperationInFlight,
  insertDrawOrder,
  lockDrawOrder,
  lockPosting,
  type PostingRow,
  updateDrawOrder,
  updatePostingState,
} from './funding.repository';
import { type ChainOrderEvent, next } from './rules/chain-order-state';
import { type PostingKey, type SellStablecoinDeps, sellStablecoin } from './sell-stablecoin';

export interface DrawLoanDeps extends SellStablecoinDeps {
  readonly venue: LendingVenue;
}

/** Borrows that the venue refused before the loan is given up and its purchase is overdue. */
export const DRAW_ATTEMPTS_MAX = 3;
/** A refused borrow is tried again after this, because prices and liquidity move. */
const REFUSED_WAIT_MS = 5_000;

interface Draw {
  readonly posting: PostingRow;
  readonly order: DrawOrderRow;
  readonly account: AccountRow;
}

/**
 * Brings one draw forward: borrowed at the venue on behalf of the account, confirmed, its shares started; then the borrowed tokens
 * are sold like any others. A borrow that is finally refused leaves its purchase overdue. One draw or repayment per account is on
 * its way at a time, so that interest can be told from principal to the unit.
 */
export async function drawLoan(deps: DrawLoanDeps, key: PostingKey): Promise<StepResult> {
  const draw = await openDraw(deps, key);
  if (draw === null) return done('not_a_draw');
  switch (draw.order.state) {
    case 'requested':
      return request(deps, key, draw);
    case 'submitted':
      return borrow(deps, key, draw);
    case 'confirmed':
      return sell(deps, key, draw);
    case 'failed':
      return done('failed');
  }
}

async function openDraw(deps: DrawLoanDeps, key: PostingKey): Promise<Draw | null> {
  const { organizationId, postingId } = key;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const posting = required(await lockPosting(trx, organizationId, postingId), `posting ${postingId}`);
    if (posting.kind !== 'loan_draw') return null;
    const drawId = posting.leg_id;
    await insertDrawIfMissing(trx, {
      organization_id: organizationId,
      id: drawId,
      account_id: posting.account_id,
      asset: posting.asset,
      venue: deps.venue.venue,
    });
    const isNew = await insertDrawOrder(trx, {
      organization_id: organizationId,
      id: postingId,
      draw_id: drawId,
      account_id: posting.account_id,
      asset: posting.asset,
      amount: posting.amount,
    });
    if (isNew) await updatePostingState(trx, organizationId, postingId, 'funding');
    return {
      posting,
      order: required(await findDrawOrder(trx, organizationId, postingId), 'draw order'),
      account: required(await findAccount(trx, organizationId, posting.account_id), 'account of a draw'),
    };
  });
}

/** The order under its lock with its next state, or null when this attempt is over or the event was applied. */
async function change(
  trx: Transaction,
  key: PostingKey,
  attempt: number,
  event: ChainOrderEvent,
): Promise<DrawOrderRow | null> {
  const locked = required(await lockDrawOrder(trx, key.organizationId, key.postingId), `draw order ${key.postingId}`);
  if (locked.attempt !== attempt) return null;
  const transition = next(locked.state, event);
  invariant(transition.kind !== 'refused', `draw ${key.postingId}: ${event} in state ${locked.state}`);
  if (transition.kind === 'alreadyApplied') return null;
  await updateDrawOrder(trx, key.organizationId, key.postingId, { state: transition.state });
  return locked;
}

async function walletsOf(
  deps: DrawLoanDeps,
  organizationId: string,
  account: AccountRow,
): Promise<{ readonly wallets: OrganizationWallets; readonly owner: Wallet }> {
  const wallets = await organizationWallets(deps, organizationId);
  return { wallets, owner: await accountWallet(deps, wallets.organizationIndex, account.chain_index) };
}

async function request(deps: DrawLoanDeps, key: PostingKey, { order, account }: Draw): Promise<StepResult> {
  const { organizationId } = key;
  const { wallets, owner } = await walletsOf(deps, organizationId, account);
  const gas = await ensureGas(deps, {
    organizationId,
    wallets,
    address: wallets.treasury.address,
    purpose: `draw:${order.id}:${order.attempt}`,
    topUp: deps.gas.treasuryTopUp,
  });
  if (gas.kind === 'waiting') return waiting('requested', gas.reason, WAIT_MS.block);
  const delegation = await ensureDelegation(deps, {
    organizationId,
    accountId: account.id,
    wallets,
    owner,
    asset: order.asset,
    need: order.amount,
  });
  if (delegation.kind === 'waiting') return waiting('requested', delegation.reason, WAIT_MS.block);
  const claimed = await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    if ((await findVenueOperationInFlight(trx, organizationId, account.id, order.id)) !== null) return false;
    await change(trx, key, order.attempt, 'submitted');
    return true;
  });
  return claimed
    ? waiting('submitted', 'next: the borrow', 0)
    : waiting('requested', 'another draw or repayment of the account is on its way', WAIT_MS.busy);
}

async function borrow(deps: DrawLoanDeps, key: PostingKey, draw: Draw): Promise<StepResult> {
  const { order, account } = draw;
  const { wallets, owner } = await walletsOf(deps, key.organizationId, account);
  const call = deps.venue.borrowCall(order.asset, order.amount, owner.address);
  const outcome = await runCall(deps.sender, {
    organizationId: key.organizationId,
    intentKey: intentKey(order),
    signer: wallets.treasury.signer,
    to: call.to,
    data: call.data,
    value: 0n,
    purpose: 'borrow',
  });
  switch (outcome.state) {
    case 'confirmed':
      await bookBorrow(deps, key, draw, { wallets, owner, outcome });
      return waiting('confirmed', 'next: the sale of the borrowed tokens', 0);
    case 'reverted':
    case 'failed':
      await bookFinishedGas(deps, { organizationId: key.organizationId });
      return refuse(deps, key, draw, outcome.detail ?? outcome.state);
    default:
      return waiting('submitted', outcome.problem ?? 'the borrow is on its way', WAIT_MS.block);
  }
}

function intentKey(order: Pick<DrawOrderRow, 'id' | 'attempt'>): string {
  return `draw:${order.id}:${order.attempt}:borrow`;
}

async function bookBorrow(
  deps: DrawLoanDeps,
  key: PostingKey,
  { order, account }: Draw,
  borrowed: {
    readonly wallets: OrganizationWallets;
    readonly owner: Wallet;
    readonly outcome: Extract<ChainCallOutcome, { state: 'confirmed' }>;
  },
): Promise<void> {
  const { organizationId } = key;
  const { wallets, owner, outcome } = borrowed;
  const { blockNumber, transactionHash } = outcome.receipt;
  const reading = await readVenue(deps, {
    asset: order.asset,
    address: owner.address,
    blockNumber,
    afterOperation: true,
  });
  const delegationLeft = await deps.venue.delegationLeft(order.asset, owner.address, wallets.treasury.address);
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    if ((await change(trx, key, order.attempt, 'confirmed')) !== null) {
      await updateDrawOrder(trx, organizationId, order.id, {
        transaction_hash: transactionHash,
        block_number: blockNumber,
        failure: null,
      });
      const reference = `draw:${order.id}:${order.attempt}`;
      const accrual = await bookAccrual(trx, {
        organizationId,
        accountId: account.id,
        programId: account.program_id,
        venue: deps.venue.venue,
        reading,
        reference,
      });
      await postBorrow(trx, deps, organizationId, order, { wallets, owner, reading, accrual, reference });
      await startShares(trx, organizationId, order, { reading, accrual, delegationLeft });
      await appendEvent(trx, {
        organizationId,
        type: 'loan.drawn',
        resourceKind: 'loanDraw',
        resourceId: order.draw_id,
        data: {
          ...drawData(deps, order),
          transaction_hash: transactionHash,
          block_number: blockNumber.toString(),
          venue: deps.venue.venue,
        },
      });
    }
    await bookGasOf(trx, deps, organizationId, outcome, reading.blockTime);
  });
}

async function postBorrow(
  trx: Transaction,
  deps: DrawLoanDeps,
  organizationId: string,
  order: DrawOrderRow,
  booking: {
    readonly wallets: OrganizationWallets;
    readonly owner: Wallet;
    readonly reading: VenueReading;
    readonly accrual: BookedAccrual;
    readonly reference: string;
  },
): Promise<void> {
  const { reading, accrual } = booking;
  const venueDebt = venueDebtOf(deps.venue.venue, booking.owner.address, order.asset);
  const rounding = venueRounding({
    reference: booking.reference,
    account: venueDebt,
    chainLessLedger: reading.debt - (accrual.venueDebtBefore + order.amount),
    effectiveAt: reading.blockTime,
  });
  await postTransactions(trx, organizationId, [
    drawLoanDraft({
      orderId: order.id,
      attempt: order.attempt,
      legId: order.draw_id,
      treasury: walletOf(deps.deployment.chainId, booking.wallets.treasury.address, order.asset),
      venueDebt,
      amount: order.amount,
      effectiveAt: reading.blockTime,
    }),
    ...(rounding === null ? [] : [rounding]),
  ]);
}

/**
 * Shares start for what the cardholder owes of the borrow: a refund may have taken back a part of the purchase before its borrow was
 * confirmed.
 */
async function startShares(
  trx: Transaction,
  organizationId: string,
  order: DrawOrderRow,
  booking: { readonly reading: VenueReading; readonly accrual: BookedAccrual; readonly delegationLeft: bigint },
): Promise<void> {
  const { programIndexRay } = booking.accrual;
  const draw = required(await findDraw(trx, organizationId, order.draw_id), 'draw of an order');
  const owed = owedPrincipal(draw, order.amount);
  await changeDraw(
    trx,
    organizationId,
    draw.id,
    { principalConfirmed: order.amount },
    {
      state: 'confirmed',
      shares: draw.shares + drawSharesRoundUp(owed, programIndexRay),
      ...(draw.venue_index_ray === null
        ? { venue_index_ray: booking.reading.venueIndexRay, program_index_ray: programIndexRay }
        : {}),
    },
  );
  await changeAccountLoans(trx, organizationId, order.account_id, {
    loanUnconfirmed: -owed,
    delegationLeft: booking.delegationLeft,
  });
}

/** Of a further borrow of `amount`, the principal that is still owed after what refunds gave back in advance. */
function owedPrincipal(
  draw: { readonly principal_confirmed: bigint; readonly principal_repaid: bigint },
  amount: bigint,
): bigint {
  const before = maxBigint(draw.principal_confirmed - draw.principal_repaid, 0n);
  return maxBigint(draw.principal_confirmed + amount - draw.principal_repaid, 0n) - before;
}

/** The venue refused. Another attempt, or none: then the loan never was and its purchase is overdue. */
async function refuse(deps: DrawLoanDeps, key: PostingKey, draw: Draw, failure: string): Promise<StepResult> {
  const { organizationId, postingId } = key;
  const { order, posting, account } = draw;
  const final = order.attempt >= DRAW_ATTEMPTS_MAX;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    if ((await change(trx, key, order.attempt, final ? 'gaveUp' : 'attemptEnded')) === null) return;
    await updateDrawOrder(trx, organizationId, postingId, {
      failure,
      ...(final ? {} : { attempt: order.attempt + 1 }),
    });
    if (final) await bookFailure(trx, deps, organizationId, posting, failure);
  });
  return final ? done('failed') : waiting('requested', `the venue refused: ${failure}`, REFUSED_WAIT_MS);
}

async function bookFailure(
  trx: Transaction,
  deps: DrawLoanDeps,
  organizationId: string,
  posting: PostingRow,
  failure: string,
): Promise<void> {
  const draw = required(await findDraw(trx, organizationId, posting.leg_id), 'draw of a posting');
  // What a refund has already given back is not overdue; its buy-back goes to the treasury.
  const refunded = posting.amount - owedPrincipal(draw, posting.amount);
  const amount = posting.amount - refunded;
  const amountUsd = (posting.amount_usd * amount + posting.amount - 1n) / posting.amount;
  await postTransactions(trx, organizationId, [
    failDraw({
      orderId: posting.id,
      legId: posting.leg_id,
      accountId: posting.account_id,
      asset: posting.asset,
      amount,
      amountUsd,
      refunded: { amount: refunded, amountUsd: posting.amount_usd - amountUsd },
      effectiveAt: deps.clock.now(),
    }),
  ]);
  await changeDraw(
    trx,
    organizationId,
    draw.id,
    // The refund of it is used up with it: a further borrow of the draw must not be reduced by it once more.
    { principalPosted: -posting.amount, principalRepaid: -refunded },
    draw.principal_confirmed === 0n ? { state: 'failed' } : {},
  );
  await changeAccountLoans(trx, organizationId, posting.account_id, {
    loanUnconfirmed: -amount,
    overdueUsd: amountUsd,
  });
  await updatePostingState(trx, organizationId, posting.id, 'failed');
  await announceOverdue(trx, { organizationId, accountId: posting.account_id, changeUsd: amountUsd });
  await appendEvent(trx, {
    organizationId,
    type: 'loan.draw_failed',
    resourceKind: 'loanDraw',
    resourceId: draw.id,
    data: {
      account_id: formatId('account', posting.account_id),
      amount: moneyDocument(amount, posting.asset, tokenDecimals(deps.deployment, posting.asset)),
      overdue: moneyDocument(amountUsd, 'USD', 2),
      detail: failure,
    },
  });
  await collectOverdue(
    trx,
    { clock: deps.clock, offRampVendor: deps.offRamp.vendor },
    {
      organizationId,
      accountId: posting.account_id,
    },
  );
}

/**
 * Sells what was borrowed, once more sure that it was: before an order is made, the borrow's block is looked at again. What a reorg took back
 * is sent again as the same bytes; only when those can never land is it undone on the ledger and borrowed anew.
 */
async function sell(deps: DrawLoanDeps, key: PostingKey, draw: Draw): Promise<StepResult> {
  const sale = await inOrganization(deps.knex, key.organizationId, (trx) =>
    findSale(trx, key.organizationId, key.postingId),
  );
  if (sale === undefined || (sale.state === 'requested' && sale.vendor_order_id === null)) {
    const fate = await deps.sender.restore(key.organizationId, intentKey(draw.order));
    switch (fate.kind) {
      case 'present':
        if (!fate.confirmed) return waiting('confirmed', 'a reorg moved the borrow to a newer block', WAIT_MS.block);
        break;
      case 'sent_again':
        return waiting('confirmed', 'a reorg took the borrow back; it is sent again', WAIT_MS.block);
      case 'lost':
        await undo(deps, key, draw);
        return waiting('requested', 'a reorg took the borrow back for good', WAIT_MS.block);
    }
  }
  return sellStablecoin(deps, key);
}

/** Takes back what a vanished borrow had booked, its interest included; the next attempt borrows anew under a key of its own. */
async function undo(deps: DrawLoanDeps, key: PostingKey, { order, account }: Draw): Promise<void> {
  const { organizationId } = key;
  const { wallets, owner } = await walletsOf(deps, organizationId, account);
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    if ((await change(trx, key, order.attempt, 'reorged')) === null) return;
    const draw = required(await findDraw(trx, organizationId, order.draw_id), 'draw of an order');
    const before = { ...draw, principal_confirmed: draw.principal_confirmed - order.amount };
    const owed = owedPrincipal(before, order.amount);
    const open = draw.principal_confirmed - draw.principal_repaid;
    const interestOpen = await balanceOf(trx, organizationId, interestOf(account.id, draw.id, order.asset));
    const venueDebt = venueDebtOf(deps.venue.venue, owner.address, order.asset);
    const spare = maxBigint((await balanceOf(trx, organizationId, venueDebt)) - order.amount, 0n);
    const onlyThis = before.principal_confirmed <= before.principal_repaid;
    const interest = onlyThis ? interestOpen : 0n;
    const venueInterest = minBigint(interest, spare);
    await postTransactions(trx, organizationId, [
      undoReorgedDraw({
        orderId: order.id,
        attempt: order.attempt,
        legId: order.draw_id,
        accountId: account.id,
        treasury: walletOf(deps.deployment.chainId, wallets.treasury.address, order.asset),
        venueDebt,
        amount: order.amount,
        venueInterest,
        spreadInterest: interest - venueInterest,
        effectiveAt: deps.clock.now(),
      }),
    ]);
    const sharesLeft = onlyThis || open <= 0n ? 0n : (draw.shares * (open - owed)) / open;
    await changeDraw(
      trx,
      organizationId,
      draw.id,
      { principalConfirmed: -order.amount, interestPosted: -interest },
      { state: onlyThis ? 'requested' : 'confirmed', shares: sharesLeft },
    );
    await changeAccountLoans(trx, organizationId, account.id, { loanUnconfirmed: owed });
    await updateDrawOrder(trx, organizationId, order.id, {
      attempt: order.attempt + 1,
      transaction_hash: null,
      block_number: null,
      failure: 'a reorg took the borrow back',
    });
  });
}

function drawData(deps: Pick<ChainStepDeps, 'deployment'>, order: DrawOrderRow): Readonly<Record<string, unknown>> {
  return {
    account_id: formatId('account', order.account_id),
    amount: moneyDocument(order.amount, order.asset, tokenDecimals(deps.deployment, order.asset)),
  };
}
