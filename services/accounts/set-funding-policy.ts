import type { AssetCatalog } from '../assets/load-asset-catalog';
import type { Transaction } from '../database/transaction';
import { fundingPolicyToStored } from '../funding/rules/funding-policy';
import { appendEvent } from '../outbox/append-event';
import { showProgram } from '../programs/show-program';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AccountRow, findAccount, lockAccount, updateFundingPolicy } from './account.repository';
import { type RequestedFunding, wantedFunding } from './wanted-funding';

/** Sets how the account's purchases are funded; authorizations decided from its commit on go by it. */
export async function setFundingPolicy(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog },
  input: { readonly organizationId: string; readonly accountId: string; readonly funding: RequestedFunding },
): Promise<Result<AccountRow, Refusal>> {
  const { organizationId, accountId, funding } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id'));
  if (account.state === 'closed') return err(refusal('account_not_active', 'the account is closed'));
  const program = await showProgram(trx, { organizationId, programId: account.program_id });
  if (!program.ok) return program;
  const { currency } = program.value.program;
  const wanted = wantedFunding(deps.assets, { currency, policy: program.value.policy }, funding);
  if (!wanted.ok) return wanted;
  const stored = fundingPolicyToStored(wanted.value);
  await updateFundingPolicy(trx, organizationId, accountId, stored);
  await appendEvent(trx, {
    organizationId,
    type: 'account.funding_policy_changed',
    resourceKind: 'account',
    resourceId: accountId,
    data: { funding_policy: stored },
  });
  return ok(required(await findAccount(trx, organizationId, accountId), 'the account'));
}
