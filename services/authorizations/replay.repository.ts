import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';

/** The document of a policy version; versions never change. */
export async function findPolicyVersion(
  db: Knex | Transaction,
  key: { readonly organizationId: string; readonly programId: string; readonly version: number },
): Promise<ProgramPolicy | null> {
  const row: { document: ProgramPolicy } | undefined = await db('program_policies')
    .where({ organization_id: key.organizationId, program_id: key.programId, version: key.version })
    .first('document');
  return row?.document ?? null;
}
