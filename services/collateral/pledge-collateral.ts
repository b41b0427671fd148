import { lockAccount } from '../accounts/account.repository';
import { readProgramTerms } from '../credit/loan.repository';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { fundsOf } from '../ledger/account-refs';
import { countersOfRef } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { availableBalance } from '../ledger/rules/account-balance';
import { reservePledge } from '../ledger/templates/pledge-collateral';
import { appendCommand } from '../outbox/append-command';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CollateralOperationRow, insertOperation } from './collateral.repository';

/** An amount of one asset to be pledged or released, base units. */
export interface CollateralRequest {
  readonly organizationId: string;
  readonly accountId: string;
  readonly asset: string;
  readonly amount: bigint;
}

/** Reserves funds of the account to be supplied to the venue as collateral; they count as collateral once the chain has confirmed it. */
export async function pledgeCollateral(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: CollateralRequest,
): Promise<Result<CollateralOperationRow, Refusal>> {
  const { organizationId, accountId, asset, amount } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No such account.'));
  if (account.state !== 'active') return err(refusal('account_not_active', `The account is ${account.state}.`));
  const terms = required(await readProgramTerms(trx, organizationId, account.program_id), 'program of an account');
  if (!terms.policy.credit.enabled) {
    return err(refusal('credit_not_enabled', "This account's program does not offer credit."));
  }
  if (terms.policy.credit.collateral[asset] === undefined) {
    const taken = Object.keys(terms.policy.credit.collateral).join(', ');
    return err(refusal('invalid_parameter', `${asset} is not taken as collateral here; ${taken} are.`, '/asset'));
  }
  if (amount <= 0n) return err(refusal('amount_out_of_range', 'The amount must be above zero.', '/amount'));
  const free = availableBalance(await countersOfRef(trx, organizationId, fundsOf(accountId, asset)));
  if (free < amount) {
    return err(refusal('insufficient_funds', `The account has less ${asset} free than that.`, '/amount'));
  }
  const id = newId();
  const row = await insertOperation(trx, {
    organization_id: organizationId,
    id,
    account_id: accountId,
    kind: 'pledge',
    asset,
    amount,
  });
  await postTransactions(trx, organizationId, [
    reservePledge({ operationId: id, accountId, asset, amount, holdTransferId: id, effectiveAt: deps.clock.now() }),
  ]);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'moveCollateral',
    workflowId: `collateral:${id}`,
    payload: { organizationId, operationId: id },
  });
  return ok(row);
}
