import type { AssetCatalog } from '../assets/load-asset-catalog';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { insertPolicy, insertProgram, type ProgramRow } from './program.repository';
import { applyPolicyPatch, type PolicyPatch, policyProblem } from './rules/policy-patch';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from './rules/program-policy';

/** A program with the policy that its rows name now. */
export interface ProgramWithPolicy {
  readonly program: ProgramRow;
  readonly policy: ProgramPolicy;
}

/** Opens a program. `policy` changes the default policy; pointers of refusals are relative to the request body. */
export async function createProgram(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog },
  input: { readonly organizationId: string; readonly name: string; readonly policy: PolicyPatch },
): Promise<Result<ProgramWithPolicy, Refusal>> {
  const policy = applyPolicyPatch(DEFAULT_PROGRAM_POLICY, input.policy);
  const problem = policyProblem(policy, deps.assets);
  if (problem !== null) return err(refusal('invalid_parameter', problem.detail, `/policy${problem.pointer}`));
  const program = await insertProgram(trx, {
    organization_id: input.organizationId,
    id: newId(),
    name: input.name,
  });
  await insertPolicy(trx, input.organizationId, program.id, program.policy_version, policy);
  await appendEvent(trx, {
    organizationId: input.organizationId,
    type: 'program.created',
    resourceKind: 'program',
    resourceId: program.id,
    data: { name: program.name, state: program.state, policy_version: program.policy_version },
  });
  return ok({ program, policy });
}
