import { type AccountRow, findAccount, lockAccount } from '../accounts/account.repository';
import type { ChainCallOutcome, LendingVenue } from '../chain/port';
import { ensureDelegation } from '../credit/ensure-delegation';
import { readProgramTerms } from '../credit/loan.repository';
import { inOrganization, type Transaction } from '../database/transaction';
import { collectOverdue } from '../funding/collect-overdue';
import { next } from '../funding/rules/chain-order-state';
import { venueCollateralOf, walletOf } from '../ledger/account-refs';
import type { TransactionDraft } from '../ledger/draft';
import { balanceOf } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { accrueYield } from '../ledger/templates/accrue-yield';
import { cancelPledge, pledgeCollateral } from '../ledger/templates/pledge-collateral';
import { cancelRelease, releaseCollateral } from '../ledger/templates/release-collateral';
import { venueRounding } from '../ledger/templates/venue-rounding';
import { appendEvent } from '../outbox/append-event';
import { invariant, required } from '../shared/assert';
import { formatId } from '../shared/ids';
import { moneyDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
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
import {
  type CollateralOperationRow,
  findOperation,
  hasOtherInFlight,
  lockOperation,
  updateOperation,
} from './collateral.repository';

export interface MoveCollateralDeps extends ChainStepDeps {
  readonly venue: LendingVenue;
  readonly offRampVendor: string;
}

export interface CollateralKey {
  readonly organizationId: string;
  readonly operationId: string;
}

/** The venue's own rounding per operation; more than that is yield. */
const ROUNDING_UNITS_MAX = 2n;

interface Move {
  readonly row: CollateralOperationRow;
  readonly account: AccountRow;
  readonly wallets: OrganizationWallets;
  readonly owner: Wallet;
}

/**
 * Brings one pledge or release forward. A pledge is supplied by the treasury on behalf of the account's address, which then delegates credit to
 * the treasury; a release is withdrawn by that address itself, with gas money from the operating wallet.
 */
export async function moveCollateral(deps: MoveCollateralDeps, key: CollateralKey): Promise<StepResult> {
  const { organizationId, operationId } = key;
  const { row, account } = await inOrganization(deps.knex, organizationId, async (trx) => {
    const found = required(await findOperation(trx, organizationId, operationId), `operation ${operationId}`);
    return { row: found, account: required(await findAccount(trx, organizationId, found.account_id), 'account') };
  });
  if (row.state === 'failed') return done('failed');
  const wallets = await organizationWallets(deps, organizationId);
  const owner = await accountWallet(deps, wallets.organizationIndex, account.chain_index);
  const move = { row, account, wallets, owner };
  if (row.state === 'confirmed') return row.kind === 'pledge' ? delegate(deps, key, move) : done('confirmed');
  if (row.state === 'requested')
    return row.kind === 'pledge' ? requestPledge(deps, key, move) : requestRelease(deps, key, move);
  return submit(deps, key, move);
}

async function requestPledge(deps: MoveCollateralDeps, key: CollateralKey, move: Move): Promise<StepResult> {
  const { row, wallets } = move;
  const { organizationId } = key;
  const gas = await ensureGas(deps, {
    organizationId,
    wallets,
    address: wallets.treasury.address,
    purpose: `collateral:${row.id}`,
    topUp: deps.gas.treasuryTopUp,
  });
  if (gas.kind === 'waiting') return waiting('requested', gas.reason, WAIT_MS.block);
  const approval = await ensureVenueApproval(deps, { organizationId, wallet: wallets.treasury, asset: row.asset });
  if (approval.kind === 'waiting') return waiting('requested', approval.reason, WAIT_MS.block);
  const held = await deps.reader.tokenBalance(tokenAddress(deps.deployment, row.asset), wallets.treasury.address);
  if (held < row.amount) return waiting('requested', 'the treasury waits for deposits to be swept', WAIT_MS.funds);
  return claim(deps, key, move);
}

async function requestRelease(deps: MoveCollateralDeps, key: CollateralKey, move: Move): Promise<StepResult> {
  const gas = await ensureGas(deps, {
    organizationId: key.organizationId,
    wallets: move.wallets,
    address: move.owner.address,
    purpose: `collateral:${move.row.id}`,
  });
  if (gas.kind === 'waiting') return waiting('requested', gas.reason, WAIT_MS.block);
  return claim(deps, key, move);
}

async function claim(deps: MoveCollateralDeps, key: CollateralKey, { row, account }: Move): Promise<StepResult> {
  const { organizationId } = key;
  const claimed = await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    if (await hasOtherInFlight(trx, organizationId, account.id, row.id)) return false;
    const locked = required(await lockOperation(trx, organizationId, row.id), 'operation');
    if (locked.state === 'requested') await updateOperation(trx, organizationId, row.id, { state: 'submitted' });
    return true;
  });
  return claimed
    ? waiting('submitted', 'next: the venue', 0)
    : waiting('requested', 'another operation on the collateral is on its way', WAIT_MS.busy);
}

async function submit(deps: MoveCollateralDeps, key: CollateralKey, move: Move): Promise<StepResult> {
  const { row, wallets, owner } = move;
  const { organizationId } = key;
  const pledge = row.kind === 'pledge';
  const call = pledge
    ? deps.venue.supplyCall(row.asset, row.amount, owner.address)
    : deps.venue.withdrawCall(row.asset, row.amount, wallets.treasury.address);
  const outcome = await runCall(deps.sender, {
    organizationId,
    intentKey: `collateral:${row.id}:${pledge ? 'supply' : 'withdraw'}`,
    signer: pledge ? wallets.treasury.signer : owner.signer,
    to: call.to,
    data: call.data,
    value: 0n,
    purpose: pledge ? 'supply-collateral' : 'withdraw-collateral',
  });
  switch (outcome.state) {
    case 'confirmed':
      await book(deps, key, move, outcome);
      return pledge ? waiting('confirmed', 'next: the delegation', 0) : done('confirmed');
    case 'reverted':
    case 'failed':
      await bookFinishedGas(deps, { organizationId });
      await fail(deps, key, move, outcome.detail ?? outcome.state);
      return done('failed');
    default:
      return waiting('submitted', outcome.problem ?? 'the operation is on its way', WAIT_MS.block);
  }
}

async function book(
  deps: MoveCollateralDeps,
  key: CollateralKey,
  move: Move,
  outcome: Extract<ChainCallOutcome, { state: 'confirmed' }>,
): Promise<void> {
  const { row, account, wallets, owner } = move;
  const { organizationId } = key;
  const { blockNumber, transactionHash } = outcome.receipt;
  const position = await deps.venue.position(owner.address, blockNumber);
  const effectiveAt = required(await deps.reader.block(blockNumber), `block ${blockNumber}`).timestamp;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    const locked = required(await lockOperation(trx, organizationId, row.id), 'operation');
    const transition = next(locked.state, 'confirmed');
    invariant(transition.kind !== 'refused', `operation ${row.id} confirmed in state ${locked.state}`);
    if (transition.kind === 'changed') {
      await updateOperation(trx, organizationId, row.id, {
        state: transition.state,
        transaction_hash: transactionHash,
      });
      const venueCollateral = venueCollateralOf(deps.venue.venue, owner.address, row.asset);
      const operation = {
        operationId: row.id,
        accountId: account.id,
        asset: row.asset,
        amount: row.amount,
        holdTransferId: row.id,
        effectiveAt,
        treasury: walletOf(deps.deployment.chainId, wallets.treasury.address, row.asset),
        venueCollateral,
      };
      const before = await balanceOf(trx, organizationId, venueCollateral);
      const moved = row.kind === 'pledge' ? row.amount : -row.amount;
      const grown = (position.collateral[row.asset] ?? 0n) - (before + moved);
      const drafts: (TransactionDraft | null)[] = [
        row.kind === 'pledge' ? pledgeCollateral(operation) : releaseCollateral(operation),
        grown > ROUNDING_UNITS_MAX
          ? accrueYield({
              reference: `collateral:${row.id}`,
              accountId: account.id,
              asset: row.asset,
              venueCollateral,
              amount: grown,
              effectiveAt,
            })
          : grown >= -ROUNDING_UNITS_MAX
            ? venueRounding({
                reference: `collateral:${row.id}`,
                account: venueCollateral,
                chainLessLedger: grown,
                effectiveAt,
              })
            : null,
      ];
      await postTransactions(
        trx,
        organizationId,
        drafts.filter((draft) => draft !== null),
      );
      await tell(trx, deps, organizationId, row, row.kind === 'pledge' ? 'collateral.pledged' : 'collateral.released');
      if (row.kind === 'release') await collectOverdue(trx, deps, { organizationId, accountId: account.id });
    }
    await bookGasOf(trx, deps, organizationId, outcome, effectiveAt);
  });
}

/** After a pledge: credit is delegated, so that a purchase needs nothing from the cardholder any more. */
async function delegate(deps: MoveCollateralDeps, key: CollateralKey, move: Move): Promise<StepResult> {
  const { account, wallets, owner } = move;
  const { organizationId } = key;
  const terms = await inOrganization(deps.knex, organizationId, async (trx) =>
    required(await readProgramTerms(trx, organizationId, account.program_id), 'program of an account'),
  );
  const delegation = await ensureDelegation(deps, {
    organizationId,
    accountId: account.id,
    wallets,
    owner,
    asset: terms.policy.credit.borrow_asset,
    need: 0n,
  });
  return delegation.kind === 'ready' ? done('confirmed') : waiting('confirmed', delegation.reason, WAIT_MS.block);
}

async function fail(
  deps: MoveCollateralDeps,
  key: CollateralKey,
  { row, account }: Move,
  failure: string,
): Promise<void> {
  const { organizationId } = key;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, account.id);
    const locked = required(await lockOperation(trx, organizationId, row.id), 'operation');
    const transition = next(locked.state, 'gaveUp');
    invariant(transition.kind !== 'refused', `operation ${row.id} failed in state ${locked.state}`);
    if (transition.kind === 'alreadyApplied') return;
    await updateOperation(trx, organizationId, row.id, { state: transition.state, failure });
    const operation = {
      operationId: row.id,
      accountId: account.id,
      asset: row.asset,
      amount: row.amount,
      holdTransferId: row.id,
      effectiveAt: deps.clock.now(),
    };
    await postTransactions(trx, organizationId, [
      row.kind === 'pledge' ? cancelPledge(operation) : cancelRelease(operation),
    ]);
    await tell(trx, deps, organizationId, row, `collateral.${row.kind}_failed`);
  });
}

async function tell(
  trx: Transaction,
  deps: MoveCollateralDeps,
  organizationId: string,
  row: CollateralOperationRow,
  type: string,
): Promise<void> {
  await appendEvent(trx, {
    organizationId,
    type,
    resourceKind: 'collateralOperation',
    resourceId: row.id,
    data: {
      account_id: formatId('account', row.account_id),
      ...moneyDocument(row.amount, row.asset, tokenDecimals(deps.deployment, row.asset)),
    },
  });
}
