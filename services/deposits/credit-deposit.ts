import { findAccount, lockAccount } from '../accounts/account.repository';
import { isConfirmed } from '../chain/rules/confirmations';
import { inOrganization, type Transaction } from '../database/transaction';
import { collectOverdue } from '../funding/collect-overdue';
import { walletOf } from '../ledger/account-refs';
import { postTransactions } from '../ledger/post-transactions';
import {
  confirmDeposit as confirmDepositDraft,
  creditDeposit as creditDepositDraft,
} from '../ledger/templates/record-deposit';
import { sweep as sweepDraft } from '../ledger/templates/sweep';
import { appendEvent } from '../outbox/append-event';
import { readPrices } from '../pricing/price.repository';
import type { AddressScreening } from '../providers/screening/port';
import { invariant, required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { moneyDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { recordAcquisition } from '../taxes/record-acquisition';
import { bookGasOf } from '../treasury/book-gas';
import { ensureGas } from '../treasury/ensure-gas';
import { runCallAgain } from '../treasury/run-call';
import {
  accountWallet,
  assetOfToken,
  type ChainStepDeps,
  organizationWallets,
  tokenAddress,
  tokenDecimals,
} from '../treasury/wallets';
import { type DepositRow, findDeposit, lockDeposit, updateDeposit } from './deposit.repository';
import { type DepositEvent, next } from './rules/deposit-state';

export interface CreditDepositDeps extends ChainStepDeps {
  readonly screening: AddressScreening;
  /** Name of the off-ramp that sells what is overdue. */
  readonly offRampVendor: string;
}

interface DepositKey {
  readonly organizationId: string;
  readonly depositId: string;
}

/**
 * Brings one deposit forward as far as it goes now: confirmed by the chain's policy, screened, credited, swept to the treasury.
 * Any step may be repeated.
 */
export async function creditDeposit(deps: CreditDepositDeps, key: DepositKey): Promise<StepResult> {
  const deposit = await inOrganization(deps.knex, key.organizationId, async (trx) =>
    required(await findDeposit(trx, key.organizationId, key.depositId), `deposit ${key.depositId}`),
  );
  switch (deposit.state) {
    case 'seen':
      return confirm(deps, key, deposit);
    case 'confirmed':
      return credit(deps, key, deposit);
    case 'credited':
      return deposit.sweep_transaction_hash === null ? sweep(deps, key, deposit) : done('swept');
    case 'dropped':
      return done('dropped');
  }
}

/** Changes the state under the deposit's lock; null when something else already did. */
async function changeState(trx: Transaction, key: DepositKey, event: DepositEvent): Promise<DepositRow | null> {
  const locked = required(await lockDeposit(trx, key.organizationId, key.depositId), `deposit ${key.depositId}`);
  const transition = next(locked.state, event);
  if (transition.kind === 'refused' || transition.kind === 'alreadyApplied') return null;
  await updateDeposit(trx, key.organizationId, key.depositId, { state: transition.state });
  return locked;
}

async function confirm(deps: CreditDepositDeps, key: DepositKey, deposit: DepositRow): Promise<StepResult> {
  const { organizationId } = key;
  const head = await deps.reader.head();
  const log = await deps.reader.tokenTransferNow({
    transactionHash: deposit.transaction_hash,
    receiptPosition: deposit.receipt_position,
  });
  const asset = log === null ? null : assetOfToken(deps.deployment, log.token);
  if (log === null || asset !== deposit.asset || log.to !== deposit.to_address || log.amount !== deposit.amount) {
    // Gone, or another one at its place. It is given the time of a confirmation to be mined again before it is dropped.
    if (!isConfirmed(deposit.block_number, head.number, deps.deployment.confirmations)) {
      return waiting('seen', 'its transaction is not in the chain now', WAIT_MS.block);
    }
    await inOrganization(deps.knex, organizationId, async (trx) => {
      if ((await changeState(trx, key, 'vanished')) === null) return;
      await appendEvent(trx, {
        organizationId,
        type: 'deposit.dropped',
        resourceKind: 'deposit',
        resourceId: deposit.id,
        data: depositData(deps, deposit, 'dropped'),
      });
    });
    return done('dropped');
  }
  if (!isConfirmed(log.blockNumber, head.number, deps.deployment.confirmations)) {
    return waiting('seen', `block ${log.blockNumber} is not confirmed yet`, WAIT_MS.block);
  }
  await inOrganization(deps.knex, organizationId, async (trx) => {
    if ((await changeState(trx, key, 'confirmed')) === null) return;
    await updateDeposit(trx, organizationId, deposit.id, { block_hash: log.blockHash, block_number: log.blockNumber });
    await postTransactions(trx, organizationId, [
      confirmDepositDraft({
        depositId: deposit.id,
        wallet: walletOf(deposit.chain_id, deposit.to_address, deposit.asset),
        amount: deposit.amount,
        effectiveAt: deps.clock.now(),
      }),
    ]);
  });
  return waiting('confirmed', 'next: screening', 0);
}

async function credit(deps: CreditDepositDeps, key: DepositKey, deposit: DepositRow): Promise<StepResult> {
  const { organizationId } = key;
  const verdict = await deps.screening.screen(deposit.from_address);
  if (verdict.kind === 'unavailable') {
    return waiting('confirmed', `screening is not available: ${verdict.detail}`, WAIT_MS.vendor);
  }
  if (verdict.kind === 'denied') {
    return waiting('confirmed', `held: the sender stands on the list ${verdict.list}`, WAIT_MS.operator);
  }
  const now = deps.clock.now();
  const credited = await inOrganization(deps.knex, organizationId, async (trx) => {
    const account = required(await lockAccount(trx, organizationId, deposit.account_id), 'account of a deposit');
    const price = (await readPrices(trx))[deposit.asset];
    if (price === undefined) return false;
    if ((await changeState(trx, key, 'credited')) === null) return true;
    await updateDeposit(trx, organizationId, deposit.id, { credited_at: now });
    await postTransactions(trx, organizationId, [
      creditDepositDraft({
        depositId: deposit.id,
        accountId: account.id,
        asset: deposit.asset,
        amount: deposit.amount,
        effectiveAt: now,
      }),
    ]);
    await recordAcquisition(trx, {
      organizationId,
      accountId: account.id,
      asset: deposit.asset,
      quantity: deposit.amount,
      priceUsdE8: price.priceUsdE8,
      priceSource: `${price.feed}:${price.roundId}`,
      source: 'deposit',
      sourceId: deposit.id,
      acquiredAt: now,
    });
    await appendEvent(trx, {
      organizationId,
      type: 'deposit.credited',
      resourceKind: 'deposit',
      resourceId: deposit.id,
      data: depositData(deps, deposit, 'credited'),
    });
    await collectOverdue(trx, deps, { organizationId, accountId: account.id });
    return true;
  });
  return credited
    ? waiting('credited', 'next: the sweep to the treasury', 0)
    : waiting('confirmed', `no price of ${deposit.asset} is known yet`, WAIT_MS.vendor);
}

async function sweep(deps: CreditDepositDeps, key: DepositKey, deposit: DepositRow): Promise<StepResult> {
  const { organizationId } = key;
  const wallets = await organizationWallets(deps, organizationId);
  const account = await inOrganization(deps.knex, organizationId, async (trx) =>
    required(await findAccount(trx, organizationId, deposit.account_id), 'account of a deposit'),
  );
  const wallet = await accountWallet(deps, wallets.organizationIndex, account.chain_index);
  invariant(
    wallet.address.toLowerCase() === deposit.to_address.toLowerCase(),
    `deposit ${deposit.id} did not arrive at its account's address`,
  );
  const gas = await ensureGas(deps, {
    organizationId,
    wallets,
    address: wallet.address,
    purpose: `deposit:${deposit.id}:sweep`,
  });
  if (gas.kind === 'waiting') return waiting('credited', gas.reason, WAIT_MS.block);
  const call = deps.calls.transfer(
    tokenAddress(deps.deployment, deposit.asset),
    wallets.treasury.address,
    deposit.amount,
  );
  const outcome = await runCallAgain(
    deps.sender,
    {
      organizationId,
      intentKey: `deposit:${deposit.id}:sweep`,
      signer: wallet.signer,
      to: call.to,
      data: call.data,
      value: 0n,
      purpose: 'sweep-deposit',
    },
    deposit.sweeps_allowed,
  );
  const now = deps.clock.now();
  switch (outcome.state) {
    case 'confirmed':
      await inOrganization(deps.knex, organizationId, async (trx) => {
        await lockDeposit(trx, organizationId, deposit.id);
        await updateDeposit(trx, organizationId, deposit.id, {
          sweep_transaction_hash: outcome.receipt.transactionHash,
        });
        await postTransactions(trx, organizationId, [
          sweepDraft({
            reference: deposit.id,
            from: walletOf(deposit.chain_id, deposit.to_address, deposit.asset),
            to: walletOf(deposit.chain_id, wallets.treasury.address, deposit.asset),
            amount: deposit.amount,
            effectiveAt: now,
          }),
        ]);
        await bookGasOf(trx, deps, organizationId, outcome, now);
      });
      return done('swept');
    case 'reverted':
    case 'failed':
      return waiting('credited', `the sweep failed: ${outcome.detail ?? outcome.state}`, WAIT_MS.operator);
    default:
      return waiting('credited', outcome.problem ?? 'the sweep is on its way', WAIT_MS.block);
  }
}

function depositData(
  deps: Pick<ChainStepDeps, 'deployment'>,
  deposit: DepositRow,
  state: DepositRow['state'],
): Readonly<Record<string, unknown>> {
  return {
    account_id: formatId('account', deposit.account_id),
    ...moneyDocument(deposit.amount, deposit.asset, tokenDecimals(deps.deployment, deposit.asset)),
    chain_id: deposit.chain_id,
    transaction_hash: deposit.transaction_hash,
    block_number: deposit.block_number.toString(),
    state,
  };
}
