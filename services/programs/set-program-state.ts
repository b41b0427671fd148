import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ProgramWithPolicy } from './create-program';
import { findPolicy, lockProgram, type ProgramState, updateProgram } from './program.repository';

/**
 * The program's switch: while it is disabled every authorization is declined and nothing new is opened in it; what the network clears is
 * posted all the same. The change moves the program's version, so that no authorization commits on a snapshot from before it.
 */
export async function setProgramState(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly programId: string;
    readonly state: ProgramState;
    readonly reason: string | null;
  },
): Promise<Result<ProgramWithPolicy, Refusal>> {
  const { organizationId, programId, state, reason } = input;
  const program = await lockProgram(trx, organizationId, programId);
  if (program === undefined) return err(refusal('not_found', 'there is no program with this id'));
  const policy = required(await findPolicy(trx, organizationId, programId, program.policy_version), 'the policy');
  if (program.state === state) return ok({ program, policy });
  const changed = await updateProgram(trx, organizationId, programId, { state, state_reason: reason });
  await appendEvent(trx, {
    organizationId,
    type: state === 'active' ? 'program.enabled' : 'program.disabled',
    resourceKind: 'program',
    resourceId: programId,
    data: { name: changed.name, state, reason, policy_version: changed.policy_version },
  });
  return ok({ program: changed, policy });
}
