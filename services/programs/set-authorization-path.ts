import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ProgramWithPolicy } from './create-program';
import { findPolicy, lockProgram, type ProgramRow, updateProgram } from './program.repository';

/**
 * Whether the program's requests are answered directly or by their workflows. Answers are the same on both paths; requests
 * take the new one within about a second.
 */
export async function setAuthorizationPath(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly programId: string;
    readonly path: ProgramRow['authorization_path'];
  },
): Promise<Result<ProgramWithPolicy, Refusal>> {
  const { organizationId, programId, path } = input;
  const program = await lockProgram(trx, organizationId, programId);
  if (program === undefined) return err(refusal('not_found', 'there is no program with this id'));
  const policy = required(await findPolicy(trx, organizationId, programId, program.policy_version), 'the policy');
  if (program.authorization_path === path) return ok({ program, policy });
  const changed = await updateProgram(trx, organizationId, programId, { authorization_path: path });
  await appendEvent(trx, {
    organizationId,
    type: 'program.authorization_path_changed',
    resourceKind: 'program',
    resourceId: programId,
    data: {
      name: changed.name,
      state: changed.state,
      authorization_path: path,
      policy_version: changed.policy_version,
    },
  });
  return ok({ program: changed, policy });
}
