import type { Transaction } from '../database/transaction';
import {
  type FundingPolicy,
  type FundingSource,
  fundingPolicyForMode,
  fundingPolicyToStored,
} from '../funding/rules/funding-policy';
import { appendEvent } from '../outbox/append-event';
import { showProgram } from '../programs/show-program';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AccountRow, findAccount, lockAccount, updateFundingPolicy } from './account.repository';

export type RequestedFunding =
  | { readonly mode: 'sell' | 'borrow' }
  | { readonly mode: 'custom'; readonly sources: readonly FundingSource[] };

/** Sets how the account's purchases are funded; authorizations decided from its commit on go by it. */
export async function setFundingPolicy(
  trx: Transaction,
  _deps: object,
  input: { readonly organizationId: string; readonly accountId: string; readonly funding: RequestedFunding },
): Promise<Result<AccountRow, Refusal>> {
  const { organizationId, accountId, funding } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id'));
  if (account.state === 'closed') return err(refusal('account_not_active', 'the account is closed'));
  const program = await showProgram(trx, { organizationId, programId: account.program_id });
  if (!program.ok) return program;
  const { policy } = program.value;
  const wanted: FundingPolicy =
    funding.mode === 'custom' ? funding : fundingPolicyForMode(funding.mode, policy.stablecoins);
  const problem = sourcesProblem(wanted.sources, policy.stablecoins);
  if (problem !== null) return err(problem);
  if (wanted.sources.some((source) => source.kind === 'loan') && !policy.credit.enabled) {
    return err(refusal('credit_not_enabled', 'the program gives no credit: choose stablecoins only', '/mode'));
  }
  const stored = fundingPolicyToStored(wanted);
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

function sourcesProblem(sources: readonly FundingSource[], stablecoins: readonly string[]): Refusal | null {
  const seen = new Set<string>();
  for (const [index, source] of sources.entries()) {
    const name = source.kind === 'loan' ? 'loan' : source.asset;
    if (seen.has(name)) return refusal('invalid_parameter', `${name} is named twice`, `/sources/${index}`);
    seen.add(name);
    if (source.kind === 'stablecoin' && !stablecoins.includes(source.asset)) {
      return refusal(
        'invalid_parameter',
        `the program does not spend ${source.asset}: use one of ${stablecoins.join(', ')}`,
        `/sources/${index}/asset`,
      );
    }
  }
  return null;
}
