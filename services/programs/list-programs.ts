import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { ProgramWithPolicy } from './create-program';
import { findPolicy, findPrograms, type ProgramState } from './program.repository';

/** Programs of the organization with their current policies, newest first. */
export async function listPrograms(
  trx: Transaction,
  input: { readonly organizationId: string; readonly state?: ProgramState | undefined; readonly page: PageRequest },
): Promise<Page<ProgramWithPolicy>> {
  const { organizationId } = input;
  const page = await findPrograms(trx, organizationId, input.page, { state: input.state });
  const data: ProgramWithPolicy[] = [];
  for (const program of page.data) {
    const policy = await findPolicy(trx, organizationId, program.id, program.policy_version);
    data.push({ program, policy: required(policy, 'the policy') });
  }
  return { data, hasMore: page.hasMore };
}
