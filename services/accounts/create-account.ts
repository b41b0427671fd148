import type { AssetCatalog } from '../assets/load-asset-catalog';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { fundingPolicyToStored } from '../funding/rules/funding-policy';
import { getOrganization } from '../organizations/read-organizations';
import { appendEvent } from '../outbox/append-event';
import { showProgram } from '../programs/show-program';
import type { Custody } from '../providers/custody/port';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AccountRow, findOpeningTerms, insertAccount, nextChainIndex } from './account.repository';
import { fundingForMode } from './wanted-funding';

/**
 * Opens a spending account for a verified cardholder, with the program's default funding and an address derived for it.
 * Deriving an address asks no one: the custody port does it from a public key.
 */
export async function createAccount(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog; readonly custody: Pick<Custody, 'address'> },
  input: { readonly organizationId: string; readonly programId: string; readonly cardholderId: string },
): Promise<Result<AccountRow, Refusal>> {
  const { organizationId, programId, cardholderId } = input;
  const program = await showProgram(trx, { organizationId, programId });
  if (!program.ok) return err(refusal('not_found', 'there is no program with this id', '/program_id'));
  const terms = await findOpeningTerms(trx, organizationId, programId, cardholderId);
  if (terms === undefined) return err(refusal('not_found', 'there is no cardholder with this id', '/cardholder_id'));
  if (terms.cardholder_program_id !== programId) {
    return err(refusal('state_conflict', 'the cardholder belongs to another program', '/cardholder_id'));
  }
  if (terms.program_state !== 'active') {
    return err(refusal('program_disabled', 'the program is switched off: enable it before opening accounts'));
  }
  if (terms.kyc_state !== 'approved') {
    return err(
      refusal('kyc_not_approved', `the cardholder's verification is ${terms.kyc_state}: it must be approved first`),
    );
  }
  const organization = required(await getOrganization(trx, organizationId), 'the organization');
  const accountIndex = await nextChainIndex(trx);
  const address = await deps.custody.address({
    purpose: 'account',
    organizationIndex: organization.chain_index,
    accountIndex,
  });
  const { currency } = program.value.program;
  const { policy } = program.value;
  const mode = policy.default_funding_mode;
  const account = await insertAccount(trx, {
    organization_id: organizationId,
    id: newId(),
    program_id: programId,
    cardholder_id: cardholderId,
    chain_index: accountIndex,
    address,
    funding_policy: fundingPolicyToStored(fundingForMode(deps.assets, { currency, policy }, mode)),
    time_zone: terms.time_zone,
  });
  await appendEvent(trx, {
    organizationId,
    type: 'account.created',
    resourceKind: 'account',
    resourceId: account.id,
    data: { program_id: programId, cardholder_id: cardholderId, state: account.state, funding_mode: mode },
  });
  return ok(account);
}
