import type { AssetCatalog } from '../assets/load-asset-catalog';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ProgramWithPolicy } from './create-program';
import { findPolicy, insertPolicy, lockProgram, updateProgram } from './program.repository';
import { applyPolicyPatch, type PolicyPatch, policyProblem } from './rules/policy-patch';

/**
 * Stores a new version of the policy; older versions stay, because decisions name them. Authorizations read the version
 * that is current when they are decided.
 */
export async function changeProgramPolicy(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog },
  input: { readonly organizationId: string; readonly programId: string; readonly patch: PolicyPatch },
): Promise<Result<ProgramWithPolicy, Refusal>> {
  const { organizationId, programId } = input;
  const program = await lockProgram(trx, organizationId, programId);
  if (program === undefined) return err(refusal('not_found', 'there is no program with this id'));
  const current = required(await findPolicy(trx, organizationId, programId, program.policy_version), 'the policy');
  const policy = applyPolicyPatch(current, input.patch);
  const problem = policyProblem(policy, deps.assets);
  if (problem !== null) return err(refusal('invalid_parameter', problem.detail, problem.pointer));
  const version = program.policy_version + 1;
  await insertPolicy(trx, organizationId, programId, version, policy);
  const changed = await updateProgram(trx, organizationId, programId, { policy_version: version });
  await appendEvent(trx, {
    organizationId,
    type: 'program.policy_changed',
    resourceKind: 'program',
    resourceId: programId,
    data: { name: changed.name, state: changed.state, policy_version: version },
  });
  return ok({ program: changed, policy });
}
