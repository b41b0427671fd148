import { type AccountRow, findAccount, lockAccount } from '../accounts/account.repository';
import type { ChainCallOutcome, LendingVenue } from '../chain/port';
import { type BookedAccrual, bookAccrual, drawDebt, readVenue, type VenueReading } from '../credit/accrue-interest';
import { changeAccountLoans, changeDraw, type LoanDrawRow } from '../credit/loan.repository';
import { allocateRepayment, type RepaymentPart, remainingSharesRoundUp } from '../credit/rules/interest';
import { inOrganization, type Transaction } from '../database/transaction';
import { venueDebtOf, walletOf } from '../ledger/account-refs';
import { balanceOf } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { cancelRepayment, repayLoan as repayLoanDraft } from '../ledger/templates/repay-loan';
import { repayVenue } from '../ledger/templates/repay-venue';
import { venueRounding } from '../ledger/templates/venue-rounding';
import { appendEvent } from '../outbox/append-event';
import { readPrices } from '../pricing/price.repository';
import { invariant, required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { minBigint, sumBigint } from '../shared/money';
import { moneyDocument } from '../shared/money-document';
import { basisPointsRoundUp } from '../shared/rounding';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { recordDisposal } from '../taxes/record-disposal';
import { bookFinishedGas, bookGasOf } from '../treasury/book-gas';
import { ensureVenueApproval } from '../treasury/ensure-approval';
import { ensureGas } from '../treasury/ensure-gas';
import { runCall } from '../treasury/run-call';
import {
  accountWallet,
  type ChainStepDeps,
  type OrganizationWallets,
  organizationWallets,
  tokenAddress,
  tokenDecimals,
  type Wallet,
} from '../treasury/wallets';
import { buyBackRefund } from './buy-back-refund';
import {
  findRepayment,
  findVenueOperationInFlight,
  lockRepayment,
  type RepaymentRow,
  updateRepayment,
} from './funding.repository';
import { next } from './rules/chain-order-state';
import { tokenToUsdRoundDown } from './rules/plan-funding';

export interface RepayLoanDeps extends ChainStepDeps {
  readonly venue: LendingVenue;
}

export interface RepaymentKey {
  readonly organizationId: string;
  readonly repaymentId: string;
}

/** Passed to the venue on top of the debt read before: interest runs until the block. The venue takes no more than the debt. */
const VENUE_MARGIN_BPS = 5;
const VENUE_MARGIN_UNITS = 1_000n;

/** What is asked of the venue so that a debt read a moment ago is repaid in full. */
export function withVenueMargin(debt: bigint): bigint {
  return debt === 0n ? 0n : debt + basisPointsRoundUp(debt, VENUE_MARGIN_BPS) + VENUE_MARGIN_UNITS;
}

/**
 * Brings one repayment forward: what was reserved repays the venue on behalf of the account, and when that is confirmed the draws, oldest
 * first, each with its interest until that block. A refund's repayment buys its tokens back first.
 */
export async function repayLoan(deps: RepayLoanDeps, key: RepaymentKey): Promise<StepResult> {
  const { organizationId, repaymentId } = key;
  const { row, account } = await inOrganization(deps.knex, organizationId, async (trx) => {
    const found = required(await findRepayment(trx, organizationId, repaymentId), `repayment ${repaymentId}`);
    const owner = required(await findAccount(trx, organizationId, found.account_id), 'account of a repayment');
    return { row: found, account: owner };
  });
  if (row.state === 'confirmed' || row.state === 'failed') return done(row.state);
  if (row.source === 'refund') return buyBackRefund(deps, key, row, account);
  return row.state === 'requested' ? request(deps, key, row, account) : submit(deps, key, row, account);
}

async function request(
  deps: RepayLoanDeps,
  key: RepaymentKey,
  row: RepaymentRow,
  account: AccountRow,
): Promise<StepResult> {
  const { organizationId } = key;
  const wallets = await organizationWallets(deps, organizationId);
  const owner = await accountWallet(deps, wallets.organizationIndex, account.chain_index);
  const approval = await ensureVenueApproval(deps, { organizationId, wallet: wallets.treasury, asset: row.asset });
  if (approval.kind === 'waiting') return waiting('requested', approval.reason, WAIT_MS.block);
  const gas = await ensureGas(deps, {
    organizationId,
    wallets,
    address: wallets.treasury.address,
    purpose: `repayment:${row.id}`,
    topUp: deps.gas.treasuryTopUp,
  });
  if (gas.kind === 'waiting') return waiting('requested', gas.reason, WAIT_MS.block);
  const held = await deps.reader.tokenBalance(tokenAddress(deps.deployment, row.asset), wallets.treasury.address);
  if (held < row.amount) return waiting('requested', 'the treasury waits for deposits to be swept', WAIT_MS.funds);

  const debtRef = venueDebtOf(deps.venue.venue, owner.address, row.asset);
  const ledgerDebt = await inOrganization(deps.knex, organizationId, (trx) => balanceOf(trx, organizationId, debtRef));
  const head = await deps.reader.head();
  const reading = await readVenue(deps, {
    asset: row.asset,
    address: owner.address,
    blockNumber: head.number,
    afterOperation: false,
  });
  const claimed = await inOrganization(deps.knex, organizationId, async (trx) => {
    const locked = required(await lockAccount(trx, organizationId, account.id), 'account of a repayment');
    if ((await findVenueOperationInFlight(trx, organizationId, account.id, row.id)) !== null) return false;
    if ((await balanceOf(trx, organizationId, debtRef)) !== ledgerDebt) return false;
    const current = required(await lockRepayment(trx, organizationId, row.id), 'repayment');
    if (current.state !== 'requested') return true;
    const accrual = await bookAccrual(trx, {
      organizationId,
      accountId: account.id,
      programId: account.program_id,
      venue: deps.venue.venue,
      reading,
      reference: `repayment:${row.id}:asked:${locked.version}`,
    });
    const owed = totalOwed(accrual.draws);
    // More than the cardholder owes is ours to repay: interest that was given back.
    const asked = accrual.venueDebtBefore > owed ? owed : withVenueMargin(accrual.venueDebtBefore);
    await updateRepayment(trx, organizationId, row.id, {
      state: 'submitted',
      venue_amount: minBigint(row.amount, asked),
    });
    return true;
  });
  return claimed
    ? waiting('submitted', 'next: the venue', 0)
    : waiting('requested', 'another draw or repayment of the account is on its way', WAIT_MS.busy);
}

function totalOwed(draws: readonly LoanDrawRow[]): bigint {
  return sumBigint(draws.map(drawDebt).map((debt) => debt.principalOpen + debt.interestOpen));
}

async function submit(
  deps: RepayLoanDeps,
  key: RepaymentKey,
  row: RepaymentRow,
  account: AccountRow,
): Promise<StepResult> {
  const { organizationId } = key;
  const wallets = await organizationWallets(deps, organizationId);
  const owner = await accountWallet(deps, wallets.organizationIndex, account.chain_index);
  const venueAmount = required(row.venue_amount, 'venue amount of a submitted repayment');
  if (venueAmount === 0n) {
    const head = await deps.reader.head();
    await book(deps, key, row, account, { owner, wallets, outcome: null, blockNumber: head.number });
    return done('confirmed');
  }
  const call = deps.venue.repayCall(row.asset, venueAmount, owner.address);
  const outcome = await runCall(deps.sender, {
    organizationId,
    intentKey: `repayment:${row.id}:repay`,
    signer: wallets.treasury.signer,
    to: call.to,
    data: call.data,
    value: 0n,
    purpose: 'repay-venue',
  });
  switch (outcome.state) {
    case 'confirmed':
      await book(deps, key, row, account, {
        owner,
        wallets,
        outcome,
        blockNumber: outcome.receipt.blockNumber,
      });
      return done('confirmed');
    case 'reverted':
    case 'failed':
      await bookFinishedGas(deps, { organizationId });
      await fail(deps, key, row, outcome.detail ?? outcome.state);
      return done('failed');
    default:
      return waiting('submitted', outcome.problem ?? 'the repayment is on its way', WAIT_MS.block);
  }
}

interface Landed {
  readonly owner: Wallet;
  readonly wallets: OrganizationWallets;
  /** Null: nothing was owed at the venue, only our own part is repaid. */
  readonly outcome: Extract<ChainCallOutcome, { state: 'confirmed' }> | null;
  readonly blockNumber: bigint;
}

async function book(
  deps: RepayLoanDeps,
  key: RepaymentKey,
  row: RepaymentRow,
  account: AccountRow,
  landed: Landed,
): Promise<void> {
  const { organizationId } = key;
  const { owner, outcome, blockNumber } = landed;
  const reading = await readVenue(deps, {
    asset: row.asset,
    address: owner.address,
    blockNumber,
    afterOperation: outcome !== null,
  });
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    const locked = required(await lockRepayment(trx, organizationId, row.id), 'repayment');
    const transition = next(locked.state, 'confirmed');
    invariant(transition.kind !== 'refused', `repayment ${row.id} confirmed in state ${locked.state}`);
    if (transition.kind === 'changed') {
      const accrual = await bookAccrual(trx, {
        organizationId,
        accountId: account.id,
        programId: account.program_id,
        venue: deps.venue.venue,
        reading,
        reference: `repayment:${row.id}`,
      });
      const { parts, unused } = allocateRepayment(accrual.draws.map(drawDebt), row.amount);
      await postRepayment(trx, deps, organizationId, row, { landed, reading, accrual, parts });
      await reduceDraws(trx, organizationId, account.id, accrual, parts);
      await updateRepayment(trx, organizationId, row.id, {
        state: transition.state,
        transaction_hash: outcome?.receipt.transactionHash ?? null,
      });
      await tellOfRepayment(trx, deps, organizationId, row, accrual, parts, row.amount - unused, reading.blockTime);
    }
    if (outcome !== null) await bookGasOf(trx, deps, organizationId, outcome, reading.blockTime);
  });
}

async function postRepayment(
  trx: Transaction,
  deps: RepayLoanDeps,
  organizationId: string,
  row: RepaymentRow,
  booking: {
    readonly landed: Landed;
    readonly reading: VenueReading;
    readonly accrual: BookedAccrual;
    readonly parts: readonly RepaymentPart[];
  },
): Promise<void> {
  const { landed, reading, accrual, parts } = booking;
  const effectiveAt = reading.blockTime;
  const venueDebt = venueDebtOf(deps.venue.venue, landed.owner.address, row.asset);
  const taken = minBigint(required(row.venue_amount, 'venue amount'), accrual.venueDebtBefore);
  const rounding = venueRounding({
    reference: `repayment:${row.id}`,
    account: venueDebt,
    chainLessLedger: landed.outcome === null ? 0n : reading.debt - (accrual.venueDebtBefore - taken),
    effectiveAt,
  });
  await postTransactions(trx, organizationId, [
    repayLoanDraft({
      repaymentId: row.id,
      accountId: row.account_id,
      asset: row.asset,
      hold: { transferId: row.id, amount: row.amount },
      draws: parts,
      effectiveAt,
    }),
    ...(taken === 0n
      ? []
      : [
          repayVenue({
            repaymentId: row.id,
            venueDebt,
            treasury: walletOf(deps.deployment.chainId, landed.wallets.treasury.address, row.asset),
            fromTreasury: taken,
            operating: walletOf(deps.deployment.chainId, landed.wallets.operating.address, row.asset),
            fromOperating: 0n,
            effectiveAt,
          }),
        ]),
    ...(rounding === null ? [] : [rounding]),
  ]);
}

/** Each repaid draw keeps the shares that still owe what is open of it. */
async function reduceDraws(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  accrual: BookedAccrual,
  parts: readonly RepaymentPart[],
): Promise<void> {
  for (const part of parts) {
    const draw = required(
      accrual.draws.find((each) => each.id === part.drawId),
      'draw of a repayment',
    );
    const debt = drawDebt(draw);
    const open = debt.principalOpen + debt.interestOpen - part.principal - part.interest;
    const whole = open === 0n && draw.principal_posted <= draw.principal_confirmed;
    await changeDraw(
      trx,
      organizationId,
      draw.id,
      { principalRepaid: part.principal, interestRepaid: part.interest },
      {
        shares: remainingSharesRoundUp(draw.shares, open, accrual.programIndexRay),
        ...(whole ? { state: 'repaid' } : {}),
      },
    );
  }
  await changeAccountLoans(trx, organizationId, accountId, {});
}

/** Repaying in crypto is a disposal; its proceeds are what the tokens were worth. */
async function tellOfRepayment(
  trx: Transaction,
  deps: RepayLoanDeps,
  organizationId: string,
  row: RepaymentRow,
  accrual: BookedAccrual,
  parts: readonly RepaymentPart[],
  paid: bigint,
  at: Date,
): Promise<void> {
  const decimals = tokenDecimals(deps.deployment, row.asset);
  const price = required((await readPrices(trx))[row.asset], `price of ${row.asset}`);
  if (paid > 0n) {
    await recordDisposal(trx, {
      organizationId,
      accountId: row.account_id,
      asset: row.asset,
      decimals,
      quantity: paid,
      proceedsUsd: tokenToUsdRoundDown(paid, price.priceUsdE8, decimals),
      feeUsd: 0n,
      priceSource: `${price.feed}:${price.roundId}`,
      source: 'repayment',
      sourceId: row.id,
      disposedAt: at,
    });
  }
  await appendEvent(trx, {
    organizationId,
    type: 'loan.repaid',
    resourceKind: 'repayment',
    resourceId: row.id,
    data: {
      account_id: formatId('account', row.account_id),
      paid: moneyDocument(paid, row.asset, decimals),
      interest: moneyDocument(sumBigint(parts.map((part) => part.interest)), row.asset, decimals),
      principal: moneyDocument(sumBigint(parts.map((part) => part.principal)), row.asset, decimals),
      owed_after: moneyDocument(totalOwed(accrual.draws) - paid, row.asset, decimals),
    },
  });
}

async function fail(deps: RepayLoanDeps, key: RepaymentKey, row: RepaymentRow, failure: string): Promise<void> {
  const { organizationId } = key;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, row.account_id);
    const locked = required(await lockRepayment(trx, organizationId, row.id), 'repayment');
    const transition = next(locked.state, 'gaveUp');
    invariant(transition.kind !== 'refused', `repayment ${row.id} failed in state ${locked.state}`);
    if (transition.kind === 'alreadyApplied') return;
    await updateRepayment(trx, organizationId, row.id, { state: transition.state, failure });
    await postTransactions(trx, organizationId, [
      cancelRepayment({
        repaymentId: row.id,
        accountId: row.account_id,
        asset: row.asset,
        holdTransferId: row.id,
        amount: row.amount,
        effectiveAt: deps.clock.now(),
      }),
    ]);
    await appendEvent(trx, {
      organizationId,
      type: 'loan.repayment_failed',
      resourceKind: 'repayment',
      resourceId: row.id,
      data: {
        account_id: formatId('account', row.account_id),
        amount: moneyDocument(row.amount, row.asset, tokenDecimals(deps.deployment, row.asset)),
        detail: failure,
      },
    });
  });
}
