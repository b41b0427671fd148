import { findAccount, lockAccount } from '../accounts/account.repository';
import { announceOverdue } from '../accounts/announce-overdue';
import type { ChainCallOutcome } from '../chain/port';
import { isConfirmed } from '../chain/rules/confirmations';
import { changeAccountLoans } from '../credit/loan.repository';
import { inOrganization, type Transaction } from '../database/transaction';
import { walletOf } from '../ledger/account-refs';
import { postTransactions } from '../ledger/post-transactions';
import { closePositionDifference } from '../ledger/templates/close-position-difference';
import { settleOverdue } from '../ledger/templates/collect-overdue';
import { returnSale } from '../ledger/templates/return-sale';
import { payOutSale, sendForSale } from '../ledger/templates/sell-stablecoin';
import { appendEvent } from '../outbox/append-event';
import type { Hex } from '../providers/custody/port';
import type { BankStatements, BankTransaction, OffRamp, OffRampOrder } from '../providers/off-ramp/port';
import { invariant, required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { moneyDocument, usdDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { recordDisposal } from '../taxes/record-disposal';
import { bookGasOf } from '../treasury/book-gas';
import { ensureGas } from '../treasury/ensure-gas';
import { runCall } from '../treasury/run-call';
import { type ChainStepDeps, organizationWallets, tokenAddress, tokenDecimals } from '../treasury/wallets';
import { findBankTransaction } from './find-bank-transaction';
import {
  findSale,
  findSaleOfPayout,
  insertSale,
  insertSaleRoute,
  lockPosting,
  lockSale,
  markOverdueFunded,
  markTransactionFundedIfWhole,
  type PostingRow,
  type SaleChange,
  type SaleOrderRow,
  updatePostingState,
  updateSale,
} from './funding.repository';
import { next, type SaleEvent } from './rules/sale-state';

export interface SellStablecoinDeps extends ChainStepDeps {
  readonly offRamp: OffRamp;
  readonly bank: BankStatements;
}

export interface PostingKey {
  readonly organizationId: string;
  readonly postingId: string;
}

/** Receipts are searched this far for the transfer that brought tokens back. */
const RETURN_POSITIONS_MAX = 8;

interface Sale {
  readonly posting: PostingRow;
  readonly order: SaleOrderRow;
}

/**
 * Brings one sale forward: order at the off-ramp, tokens on their way, payout found at the bank, books closed. The posting is a
 * sale's, a confirmed draw's or a collection of overdue. Every outside effect has a key of its own per attempt; what ended unknown is
 * asked after before anything else happens.
 */
export async function sellStablecoin(deps: SellStablecoinDeps, key: PostingKey): Promise<StepResult> {
  const sale = await openSale(deps, key);
  if (sale === null) return done('not_for_sale');
  switch (sale.order.state) {
    case 'paid_out':
      return done('paid_out');
    case 'returned':
      return retry(deps, key, sale.order, sale.order.failure ?? 'the tokens came back');
    case 'requested':
      return sale.order.vendor_order_id === null ? order(deps, key, sale) : send(deps, key, sale);
    case 'submitted':
    case 'unknown':
      return follow(deps, key, sale);
  }
}

/** The posting and its order, made when there is none. Null when the posting is not to be sold. */
async function openSale(deps: SellStablecoinDeps, key: PostingKey): Promise<Sale | null> {
  const { organizationId, postingId } = key;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const posting = required(await lockPosting(trx, organizationId, postingId), `posting ${postingId}`);
    if (posting.kind === 'refund' || posting.asset === 'USD' || posting.state === 'failed') return null;
    const known = await findSale(trx, organizationId, postingId);
    if (known !== undefined) return { posting, order: known };
    if (posting.state === 'funded') return null;
    await insertSale(trx, {
      organization_id: organizationId,
      id: postingId,
      leg_id: posting.leg_id,
      account_id: posting.account_id,
      asset: posting.asset,
      amount: posting.amount,
      covers_usd: posting.amount_usd,
      vendor: deps.offRamp.vendor,
    });
    await updatePostingState(trx, organizationId, postingId, 'funding');
    return { posting, order: required(await findSale(trx, organizationId, postingId), 'new sale order') };
  });
}

/** Applies an event under the order's lock; false when it was applied before or no longer fits. */
async function change(
  trx: Transaction,
  key: PostingKey,
  attempt: number,
  event: SaleEvent,
  changes: SaleChange = {},
): Promise<boolean> {
  const locked = required(await lockSale(trx, key.organizationId, key.postingId), `sale ${key.postingId}`);
  if (locked.attempt !== attempt) return false;
  const transition = next(locked.state, event);
  invariant(transition.kind !== 'refused', `sale ${key.postingId}: ${event} in state ${locked.state}`);
  if (transition.kind === 'alreadyApplied') return false;
  await updateSale(trx, key.organizationId, key.postingId, { ...changes, state: transition.state });
  return true;
}

function orderKey(key: PostingKey, attempt: number): string {
  return `sale:${key.postingId}:${attempt}`;
}

async function order(deps: SellStablecoinDeps, key: PostingKey, { order: row }: Sale): Promise<StepResult> {
  const { offRamp } = deps;
  // After so many orders that brought nothing it stays open and is looked at rarely; an operator has been told by then.
  if (row.attempt > row.attempts_allowed) {
    return waiting('failed', row.failure ?? 'every attempt failed', WAIT_MS.operator);
  }
  const wallets = await organizationWallets(deps, key.organizationId);
  const held = await deps.reader.tokenBalance(tokenAddress(deps.deployment, row.asset), wallets.treasury.address);
  if (held < row.amount) return waiting('requested', 'the treasury waits for deposits to be swept', WAIT_MS.funds);

  const quote = await offRamp.quote({ sourceAsset: row.asset, sourceAmount: row.amount });
  if (quote.kind === 'unknown') return waiting('requested', `no quote: ${quote.detail}`, WAIT_MS.vendor);
  if (quote.kind === 'rejected') return retry(deps, key, row, `quote refused: ${quote.code}`);
  const idempotencyKey = orderKey(key, row.attempt);
  const created = await offRamp.createOrder({
    idempotencyKey,
    sourceAsset: row.asset,
    sourceAmount: row.amount,
    fromAddress: wallets.treasury.address,
  });
  if (created.kind === 'rejected') return retry(deps, key, row, `order refused: ${created.code}`);
  let vendorOrder: OffRampOrder;
  if (created.kind === 'ok') {
    vendorOrder = created.value;
  } else {
    const found = await offRamp.findOrder(idempotencyKey);
    if (found.kind !== 'ok' || found.value === null) {
      // Not there, or not to be asked: the same key again can't make a second order.
      return waiting('requested', `the order's fate is unknown: ${created.detail}`, WAIT_MS.vendor);
    }
    vendorOrder = found.value;
  }
  await inOrganization(deps.knex, key.organizationId, async (trx) => {
    const locked = required(await lockSale(trx, key.organizationId, key.postingId), 'sale');
    if (locked.attempt !== row.attempt || locked.vendor_order_id !== null) return;
    await updateSale(trx, key.organizationId, key.postingId, {
      quoted_gross_usd: quote.value.grossAmount,
      vendor_order_id: vendorOrder.vendorOrderId,
      deposit_address: vendorOrder.depositAddress,
      failure: null,
    });
    await insertSaleRoute(trx, {
      vendor: offRamp.vendor,
      reference: vendorOrder.vendorOrderId,
      organization_id: key.organizationId,
      resource_id: key.postingId,
    });
  });
  return waiting('requested', 'next: the tokens', 0);
}

async function send(deps: SellStablecoinDeps, key: PostingKey, { order: row }: Sale): Promise<StepResult> {
  const { organizationId, postingId } = key;
  const wallets = await organizationWallets(deps, organizationId);
  const gas = await ensureGas(deps, {
    organizationId,
    wallets,
    address: wallets.treasury.address,
    purpose: orderKey(key, row.attempt),
    topUp: deps.gas.treasuryTopUp,
  });
  if (gas.kind === 'waiting') return waiting('requested', gas.reason, WAIT_MS.block);
  const call = deps.calls.transfer(
    tokenAddress(deps.deployment, row.asset),
    required(row.deposit_address, 'deposit address of an order') as Hex,
    row.amount,
  );
  const outcome = await runCall(deps.sender, {
    organizationId,
    intentKey: `${orderKey(key, row.attempt)}:transfer`,
    signer: wallets.treasury.signer,
    to: call.to,
    data: call.data,
    value: 0n,
    purpose: 'send-for-sale',
  });
  const now = deps.clock.now();
  switch (outcome.state) {
    case 'confirmed':
      await inOrganization(deps.knex, organizationId, async (trx) => {
        const { transactionHash } = outcome.receipt;
        if (await change(trx, key, row.attempt, 'tokensSent', { transaction_hash: transactionHash })) {
          await postTransactions(trx, organizationId, [
            sendForSale({
              orderId: postingId,
              attempt: row.attempt,
              legId: row.leg_id,
              treasury: walletOf(deps.deployment.chainId, wallets.treasury.address, row.asset),
              amount: row.amount,
              effectiveAt: now,
            }),
          ]);
        }
        await bookGasOf(trx, deps, organizationId, outcome, now);
      });
      return waiting('submitted', 'next: the payout', WAIT_MS.vendor);
    case 'reverted':
    case 'failed':
      await bookGas(deps, organizationId, outcome, now);
      return retry(deps, key, row, `the transfer failed: ${outcome.detail ?? outcome.state}`);
    default:
      return waiting('requested', outcome.problem ?? 'the tokens are on their way', WAIT_MS.block);
  }
}

async function bookGas(
  deps: SellStablecoinDeps,
  organizationId: string,
  outcome: ChainCallOutcome,
  at: Date,
): Promise<void> {
  await inOrganization(deps.knex, organizationId, (trx) => bookGasOf(trx, deps, organizationId, outcome, at));
}

async function follow(deps: SellStablecoinDeps, key: PostingKey, sale: Sale): Promise<StepResult> {
  const { order: row } = sale;
  const answer = await deps.offRamp.getOrder(required(row.vendor_order_id, 'vendor order of a submitted sale'));
  if (answer.kind !== 'ok') {
    const detail = answer.kind === 'unknown' ? answer.detail : answer.code;
    await setUnclear(deps, key, row, `the off-ramp does not say: ${detail}`);
    return waiting('unknown', `the off-ramp does not say what became of it: ${detail}`, WAIT_MS.vendor);
  }
  const vendorOrder = answer.value;
  switch (vendorOrder.state) {
    case 'awaiting_funds':
    case 'funds_received':
    case 'submitted':
      if (row.state === 'unknown') {
        await inOrganization(deps.knex, key.organizationId, (trx) =>
          change(trx, key, row.attempt, 'tokensSent', { failure: null }),
        );
      }
      return waiting('submitted', `at the off-ramp: ${vendorOrder.state}`, WAIT_MS.vendor);
    case 'paid_out':
      return payOut(deps, key, sale, vendorOrder);
    case 'returned':
      return takeBack(deps, key, sale, vendorOrder);
    case 'failed':
    case 'unrecognized':
      // Our tokens are there, so this is nothing to try again by ourselves.
      await setUnclear(deps, key, row, `the off-ramp says ${vendorOrder.state} after the tokens were sent`);
      return waiting('unknown', `the off-ramp says ${vendorOrder.state}`, WAIT_MS.operator);
  }
}

async function setUnclear(deps: SellStablecoinDeps, key: PostingKey, row: SaleOrderRow, detail: string): Promise<void> {
  await inOrganization(deps.knex, key.organizationId, async (trx) => {
    if (!(await change(trx, key, row.attempt, 'fateUnclear', { failure: detail }))) return;
    await appendEvent(trx, {
      organizationId: key.organizationId,
      type: 'funding.sale_unclear',
      resourceKind: 'saleOrder',
      resourceId: key.postingId,
      data: { ...saleData(deps, row), detail },
    });
  });
}

async function payOut(
  deps: SellStablecoinDeps,
  key: PostingKey,
  { posting, order: row }: Sale,
  vendorOrder: OffRampOrder,
): Promise<StepResult> {
  const { organizationId } = key;
  const reference = vendorOrder.bankReference;
  const { grossAmount: gross, feeAmount: fee } = vendorOrder;
  if (reference === null || gross === null || fee === null) {
    return waiting('submitted', 'the off-ramp has not named the payout yet', WAIT_MS.vendor);
  }
  const found = await findBankTransaction(deps.bank, { reference, direction: 'credit' });
  if (found.kind === 'unknown')
    return waiting('submitted', `the bank does not answer: ${found.detail}`, WAIT_MS.vendor);
  if (found.transaction === null) return waiting('submitted', 'the payout is not at the bank yet', WAIT_MS.vendor);
  const credit = found.transaction;
  if (credit.amount !== gross - fee) {
    const detail = `the bank credited ${credit.amount} cents, the off-ramp says ${gross - fee}`;
    await setUnclear(deps, key, row, detail);
    return waiting('unknown', detail, WAIT_MS.operator);
  }
  const taken = await inOrganization(deps.knex, organizationId, (trx) =>
    findSaleOfPayout(trx, organizationId, row.vendor, reference),
  );
  if (taken !== undefined && taken !== key.postingId) {
    const detail = `the entry ${reference} at the bank already pays the sale ${formatId('saleOrder', taken)}`;
    await setUnclear(deps, key, row, detail);
    return waiting('unknown', detail, WAIT_MS.operator);
  }
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, posting.account_id);
    const changes = { gross_usd: gross, fee_usd: fee, bank_reference: reference, failure: null };
    if (!(await change(trx, key, row.attempt, 'paidOut', changes))) return;
    await bookPayout(trx, deps, key, { posting, order: row }, { gross, fee, credit });
  });
  return done('paid_out');
}

async function bookPayout(
  trx: Transaction,
  deps: SellStablecoinDeps,
  key: PostingKey,
  { posting, order: row }: Sale,
  payout: { readonly gross: bigint; readonly fee: bigint; readonly credit: BankTransaction },
): Promise<void> {
  const { organizationId, postingId } = key;
  const { gross, fee, credit } = payout;
  const effectiveAt = credit.bookedAt;
  const legId = row.leg_id;
  const difference = closePositionDifference({
    reference: postingId,
    legId,
    asset: 'USD',
    openDebit: row.covers_usd - gross,
    effectiveAt,
  });
  const overdue = posting.kind === 'overdue';
  await postTransactions(trx, organizationId, [
    payOutSale({
      orderId: postingId,
      legId,
      asset: row.asset,
      amount: row.amount,
      grossUsd: gross,
      feeUsd: fee,
      effectiveAt,
    }),
    ...(overdue
      ? [
          settleOverdue({
            orderId: postingId,
            legId,
            accountId: row.account_id,
            amountUsd: row.covers_usd,
            effectiveAt,
          }),
        ]
      : []),
    ...(difference === null ? [] : [difference]),
  ]);
  if (posting.kind !== 'loan_draw') {
    await recordDisposal(trx, {
      organizationId,
      accountId: row.account_id,
      asset: row.asset,
      decimals: tokenDecimals(deps.deployment, row.asset),
      quantity: row.amount,
      proceedsUsd: gross,
      feeUsd: fee,
      priceSource: `${row.vendor}:${required(row.vendor_order_id, 'vendor order')}`,
      source: 'sale',
      sourceId: postingId,
      disposedAt: effectiveAt,
    });
  }
  await updatePostingState(trx, organizationId, postingId, 'funded');
  if (overdue) {
    const { account_id: accountId } = row;
    await changeAccountLoans(trx, organizationId, accountId, { overdueUsd: -row.covers_usd });
    await announceOverdue(trx, { organizationId, accountId, changeUsd: -row.covers_usd });
    const account = required(await findAccount(trx, organizationId, row.account_id), 'account of a sale');
    if (account.overdue_amount === 0n) await markOverdueFunded(trx, organizationId, row.account_id);
  }
  await markTransactionFundedIfWhole(trx, organizationId, posting.card_transaction_id);
  await appendEvent(trx, {
    organizationId,
    type: 'sale.paid_out',
    resourceKind: 'saleOrder',
    resourceId: postingId,
    data: {
      ...saleData(deps, row),
      gross: usdDocument(gross),
      fee: usdDocument(fee),
      purpose: posting.kind,
      card_transaction_id: formatId('cardTransaction', posting.card_transaction_id),
    },
  });
}

/** The off-ramp says it sent the tokens back: believed once they are in the treasury, confirmed. */
async function takeBack(
  deps: SellStablecoinDeps,
  key: PostingKey,
  { order: row }: Sale,
  vendorOrder: OffRampOrder,
): Promise<StepResult> {
  const { organizationId, postingId } = key;
  const hash = vendorOrder.returnTransactionHash;
  if (hash === null) return waiting('submitted', 'the off-ramp has not named the return yet', WAIT_MS.vendor);
  const wallets = await organizationWallets(deps, organizationId);
  const token = tokenAddress(deps.deployment, row.asset);
  const head = await deps.reader.head();
  for (let receiptPosition = 0; receiptPosition < RETURN_POSITIONS_MAX; receiptPosition += 1) {
    const log = await deps.reader.tokenTransferNow({ transactionHash: hash as Hex, receiptPosition });
    if (log === null || log.token !== token || log.to !== wallets.treasury.address) continue;
    if (!isConfirmed(log.blockNumber, head.number, deps.deployment.confirmations)) {
      return waiting('submitted', 'the return is not confirmed yet', WAIT_MS.block);
    }
    if (log.amount !== row.amount) {
      const detail = `${log.amount} of ${row.amount} base units came back`;
      await setUnclear(deps, key, row, detail);
      return waiting('unknown', detail, WAIT_MS.operator);
    }
    await inOrganization(deps.knex, organizationId, async (trx) => {
      const changes = { return_transaction_hash: hash, failure: 'the off-ramp returned the tokens' };
      if (!(await change(trx, key, row.attempt, 'tokensReturned', changes))) return;
      await postTransactions(trx, organizationId, [
        returnSale({
          orderId: postingId,
          attempt: row.attempt,
          legId: row.leg_id,
          treasury: walletOf(deps.deployment.chainId, wallets.treasury.address, row.asset),
          amount: row.amount,
          effectiveAt: deps.clock.now(),
        }),
      ]);
    });
    return waiting('returned', 'next: another attempt', 0);
  }
  return waiting('submitted', 'the return is not in the chain yet', WAIT_MS.block);
}

/** What took no tokens, or gave them back, is left behind; the next attempt has an order and keys of its own. */
async function retry(
  deps: SellStablecoinDeps,
  key: PostingKey,
  row: SaleOrderRow,
  failure: string,
): Promise<StepResult> {
  const attempt = row.attempt + 1;
  await inOrganization(deps.knex, key.organizationId, async (trx) => {
    const locked = required(await lockSale(trx, key.organizationId, key.postingId), 'sale');
    if (locked.attempt !== row.attempt) return;
    const transition = next(locked.state, 'retried');
    invariant(transition.kind !== 'refused', `sale ${key.postingId} can't be tried again in state ${locked.state}`);
    await updateSale(trx, key.organizationId, key.postingId, {
      state: transition.state,
      attempt,
      vendor_order_id: null,
      deposit_address: null,
      transaction_hash: null,
      failure,
    });
    if (attempt <= locked.attempts_allowed) return;
    await appendEvent(trx, {
      organizationId: key.organizationId,
      type: 'funding.sale_failed',
      resourceKind: 'saleOrder',
      resourceId: key.postingId,
      data: { ...saleData(deps, row), attempts: row.attempt, detail: failure },
    });
  });
  return waiting('requested', `attempt ${attempt}: ${failure}`, WAIT_MS.vendor);
}

function saleData(deps: Pick<ChainStepDeps, 'deployment'>, row: SaleOrderRow): Readonly<Record<string, unknown>> {
  return {
    account_id: formatId('account', row.account_id),
    sold: moneyDocument(row.amount, row.asset, tokenDecimals(deps.deployment, row.asset)),
    covers: usdDocument(row.covers_usd),
    attempt: row.attempt,
  };
}
