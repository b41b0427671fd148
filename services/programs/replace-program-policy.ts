import type { AssetCatalog } from '../assets/load-asset-catalog';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ProgramWithPolicy } from './create-program';
import { insertPolicy, lockProgram, updateProgram } from './program.repository';
import { policyProblem } from './rules/policy-patch';
import type { ProgramPolicy } from './rules/program-policy';

/**
 * Stores a policy as the next version; older versions stay, because decisions name them. Authorizations read the version
 * that is current when they are decided.
 */
export async function replaceProgramPolicy(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog },
  input: { readonly organizationId: string; readonly programId: string; readonly policy: ProgramPolicy },
): Promise<Result<ProgramWithPolicy, Refusal>> {
  const { organizationId, programId, policy } = input;
  const program = await lockProgram(trx, organizationId, programId);
  if (program === undefined) return err(refusal('not_found', 'there is no program with this id'));
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
