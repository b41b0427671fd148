import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ProgramWithPolicy } from './create-program';
import { findPolicy, findProgram } from './program.repository';

/** The program with its current policy, or `not_found`. */
export async function showProgram(
  trx: Transaction,
  input: { readonly organizationId: string; readonly programId: string },
): Promise<Result<ProgramWithPolicy, Refusal>> {
  const program = await findProgram(trx, input.organizationId, input.programId);
  if (program === undefined) return err(refusal('not_found', 'there is no program with this id'));
  const policy = await findPolicy(trx, input.organizationId, program.id, program.policy_version);
  return ok({ program, policy: required(policy, 'the policy') });
}
