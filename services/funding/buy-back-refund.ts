import { type AccountRow, lockAccount } from '../accounts/account.repository';
import type { ChainCallOutcome, LendingVenue } from '../chain/port';
import { bookAccrual, readVenue } from '../credit/accrue-interest';
import { changeAccountLoans } from '../credit/loan.repository';
import { venueBalanceHalfUp } from '../credit/rules/interest';
import { inOrganization, type Transaction } from '../database/transaction';
import { venueDebtOf, walletOf } from '../ledger/account-refs';
import { balanceOf } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { buyBackFromFloat } from '../ledger/templates/buy-back-tokens';
import { venueRounding } from '../ledger/templates/venue-rounding';
import { appendEvent } from '../outbox/append-event';
import { readPrices } from '../pricing/price.repository';
import { invariant, required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { minBigint } from '../shared/money';
import { moneyDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { recordAcquisition } from '../taxes/record-acquisition';
import { bookFinishedGas, bookGasOf } from '../treasury/book-gas';
import { ensureVenueApproval } from '../treasury/ensure-approval';
import { runCallAgain } from '../treasury/run-call';
import {
  accountWallet,
  type ChainStepDeps,
  type OrganizationWallets,
  organizationWallets,
  tokenAddress,
  tokenDecimals,
  type Wallet,
} from '../treasury/wallets';
import {
  findPosting,
  findVenueOperationInFlight,
  hasOpenDrawOrder,
  lockRepayment,
  markTransactionFundedIfWhole,
  type RepaymentRow,
  updatePostingState,
  updateRepayment,
} from './funding.repository';
import { next } from './rules/chain-order-state';

interface BuyBackDeps extends ChainStepDeps {
  readonly venue: LendingVenue;
}

interface BuyBackKey {
  readonly organizationId: string;
  readonly repaymentId: string;
}

type Confirmed = Extract<ChainCallOutcome, { state: 'confirmed' }>;

/**
 * Gives a refund its tokens: the organization sells them from its float. The part that was a loan repays the venue on behalf of the
 * account, the rest goes to the treasury; the cardholder was credited when the refund was recorded. `row.venue_amount` is the loan's part.
 */
export async function buyBackRefund(
  deps: BuyBackDeps,
  key: BuyBackKey,
  row: RepaymentRow,
  account: AccountRow,
): Promise<StepResult> {
  const wallets = await organizationWallets(deps, key.organizationId);
  const owner = await accountWallet(deps, wallets.organizationIndex, account.chain_index);
  return row.state === 'requested'
    ? claim(deps, key, row, account, wallets, owner)
    : move(deps, key, row, account, wallets, owner);
}

async function claim(
  deps: BuyBackDeps,
  key: BuyBackKey,
  row: RepaymentRow,
  account: AccountRow,
  wallets: OrganizationWallets,
  owner: Wallet,
): Promise<StepResult> {
  const { organizationId } = key;
  const principal = row.venue_amount ?? 0n;
  const token = tokenAddress(deps.deployment, row.asset);
  if ((await deps.reader.tokenBalance(token, wallets.operating.address)) < row.amount) {
    return waiting('requested', `the operating wallet has too little ${row.asset} for the refund`, WAIT_MS.funds);
  }
  if (principal > 0n) {
    const approval = await ensureVenueApproval(deps, { organizationId, wallet: wallets.operating, asset: row.asset });
    if (approval.kind === 'waiting') return waiting('requested', approval.reason, WAIT_MS.block);
  }
  const refused = await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    if ((await findVenueOperationInFlight(trx, organizationId, account.id, row.id)) !== null) {
      return 'another draw or repayment of the account is on its way';
    }
    const debt = await balanceOf(trx, organizationId, venueDebtOf(deps.venue.venue, owner.address, row.asset));
    if (debt < principal && (await hasOpenDrawOrder(trx, organizationId, account.id))) {
      return 'the draw that it refunds is not on chain yet';
    }
    const locked = required(await lockRepayment(trx, organizationId, row.id), 'repayment');
    if (locked.state === 'requested') await updateRepayment(trx, organizationId, row.id, { state: 'submitted' });
    return null;
  });
  return refused === null ? waiting('submitted', 'next: the tokens', 0) : waiting('requested', refused, WAIT_MS.busy);
}

async function move(
  deps: BuyBackDeps,
  key: BuyBackKey,
  row: RepaymentRow,
  account: AccountRow,
  wallets: OrganizationWallets,
  owner: Wallet,
): Promise<StepResult> {
  const { organizationId } = key;
  const principal = row.venue_amount ?? 0n;
  const debtRef = venueDebtOf(deps.venue.venue, owner.address, row.asset);
  const owedThere = await inOrganization(deps.knex, organizationId, (trx) => balanceOf(trx, organizationId, debtRef));
  let repaid: Confirmed | null = null;
  if (principal > 0n && owedThere > 0n) {
    const call = deps.venue.repayCall(row.asset, principal, owner.address);
    const outcome = await send(deps, row, wallets, 'repay', call, 'repay-venue');
    if (outcome.kind === 'waiting') return outcome.step;
    repaid = outcome.outcome;
  }
  const reading =
    repaid === null
      ? null
      : await readVenue(deps, {
          asset: row.asset,
          address: owner.address,
          blockNumber: repaid.receipt.blockNumber,
          afterOperation: true,
        });
  const debtBefore = reading === null ? 0n : debtAtOperation(reading);
  const toVenue = minBigint(principal, debtBefore);
  const toTreasury = row.amount - toVenue;
  let delivered: Confirmed | null = null;
  if (toTreasury > 0n) {
    const call = deps.calls.transfer(tokenAddress(deps.deployment, row.asset), wallets.treasury.address, toTreasury);
    const outcome = await send(deps, row, wallets, 'transfer', call, 'buy-back');
    if (outcome.kind === 'waiting') return outcome.step;
    delivered = outcome.outcome;
  }
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    const locked = required(await lockRepayment(trx, organizationId, row.id), 'repayment');
    const transition = next(locked.state, 'confirmed');
    invariant(transition.kind !== 'refused', `refund ${row.id} bought back in state ${locked.state}`);
    const now = deps.clock.now();
    if (transition.kind === 'changed') {
      let rounding = null;
      if (reading !== null) {
        const accrual = await bookAccrual(trx, {
          organizationId,
          accountId: account.id,
          programId: account.program_id,
          venue: deps.venue.venue,
          reading,
          reference: `repayment:${row.id}`,
        });
        rounding = venueRounding({
          reference: `repayment:${row.id}`,
          account: debtRef,
          chainLessLedger: reading.debt - (accrual.venueDebtBefore - toVenue),
          effectiveAt: reading.blockTime,
        });
      }
      const posting = required(
        await findPosting(trx, organizationId, required(row.refund_id, 'posting of a refund')),
        'posting of a refund',
      );
      const wallet = (address: string) => walletOf(deps.deployment.chainId, address, row.asset);
      await postTransactions(trx, organizationId, [
        buyBackFromFloat({
          reference: posting.id,
          legId: posting.leg_id,
          amountUsd: posting.amount_usd,
          operating: wallet(wallets.operating.address),
          treasury: wallet(wallets.treasury.address),
          toTreasury,
          venueDebt: debtRef,
          toVenue,
          effectiveAt: now,
        }),
        ...(rounding === null ? [] : [rounding]),
      ]);
      await changeAccountLoans(trx, organizationId, account.id, {});
      await updatePostingState(trx, organizationId, posting.id, 'funded');
      await markTransactionFundedIfWhole(trx, organizationId, posting.card_transaction_id);
      await updateRepayment(trx, organizationId, row.id, {
        state: transition.state,
        transaction_hash: (repaid ?? delivered)?.receipt.transactionHash ?? null,
      });
      await tell(trx, deps, organizationId, row, principal, now);
    }
    for (const outcome of [repaid, delivered]) {
      if (outcome !== null) await bookGasOf(trx, deps, organizationId, outcome, now);
    }
  });
  return done('confirmed');
}

function debtAtOperation(reading: { readonly scaledDebtBefore: bigint; readonly venueIndexRay: bigint }): bigint {
  return venueBalanceHalfUp(reading.scaledDebtBefore, reading.venueIndexRay);
}

async function send(
  deps: BuyBackDeps,
  row: RepaymentRow,
  wallets: OrganizationWallets,
  step: 'repay' | 'transfer',
  call: { readonly to: `0x${string}`; readonly data: `0x${string}` },
  purpose: string,
): Promise<
  { readonly kind: 'confirmed'; readonly outcome: Confirmed } | { readonly kind: 'waiting'; readonly step: StepResult }
> {
  const { organization_id: organizationId } = row;
  const outcome = await runCallAgain(
    deps.sender,
    {
      organizationId,
      intentKey: `repayment:${row.id}:${step}`,
      signer: wallets.operating.signer,
      to: call.to,
      data: call.data,
      value: 0n,
      purpose,
    },
    row.attempts_allowed,
  );
  switch (outcome.state) {
    case 'confirmed':
      return { kind: 'confirmed', outcome };
    case 'reverted':
    case 'failed': {
      // The cardholder has been credited already, so this is for an operator, not to be undone.
      await bookFinishedGas(deps, { organizationId });
      const reason = `${purpose} failed: ${outcome.detail ?? outcome.state}`;
      return { kind: 'waiting', step: waiting('submitted', reason, WAIT_MS.operator) };
    }
    default:
      return {
        kind: 'waiting',
        step: waiting('submitted', outcome.problem ?? `${purpose} is on its way`, WAIT_MS.block),
      };
  }
}

/** What came back to the funds is a new lot; what repaid the loan is told. */
async function tell(
  trx: Transaction,
  deps: BuyBackDeps,
  organizationId: string,
  row: RepaymentRow,
  principal: bigint,
  now: Date,
): Promise<void> {
  const toFunds = row.amount - principal;
  const price = (await readPrices(trx))[row.asset];
  if (toFunds > 0n && price !== undefined) {
    await recordAcquisition(trx, {
      organizationId,
      accountId: row.account_id,
      asset: row.asset,
      quantity: toFunds,
      priceUsdE8: price.priceUsdE8,
      priceSource: `${price.feed}:${price.roundId}`,
      source: 'refund',
      sourceId: row.id,
      acquiredAt: now,
    });
  }
  if (principal === 0n) return;
  const decimals = tokenDecimals(deps.deployment, row.asset);
  await appendEvent(trx, {
    organizationId,
    type: 'loan.repaid',
    resourceKind: 'repayment',
    resourceId: row.id,
    data: {
      account_id: formatId('account', row.account_id),
      paid: moneyDocument(principal, row.asset, decimals),
      interest: moneyDocument(0n, row.asset, decimals),
      principal: moneyDocument(principal, row.asset, decimals),
      source: 'refund',
    },
  });
}
