import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { ProgramPolicy } from './rules/program-policy';

export type ProgramState = 'active' | 'disabled';

/** A row of `programs`, columns as they are named there. */
export interface ProgramRow {
  readonly organization_id: string;
  readonly id: string;
  readonly name: string;
  readonly state: ProgramState;
  readonly state_reason: string | null;
  readonly currency: string;
  readonly processor: string;
  readonly authorization_path: 'direct' | 'workflow';
  readonly policy_version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function insertProgram(
  trx: Transaction,
  row: Pick<ProgramRow, 'organization_id' | 'id' | 'name'>,
): Promise<ProgramRow> {
  const rows = await trx('programs').insert(row).returning<ProgramRow[]>('*');
  return required(rows[0], 'the new program');
}

export async function insertPolicy(
  trx: Transaction,
  organizationId: string,
  programId: string,
  version: number,
  document: ProgramPolicy,
): Promise<void> {
  await trx('program_policies').insert({
    organization_id: organizationId,
    program_id: programId,
    version,
    document: JSON.stringify(document),
  });
}

export async function findProgram(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<ProgramRow | undefined> {
  return trx<ProgramRow>('programs').where({ organization_id: organizationId, id }).first();
}

export async function lockProgram(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<ProgramRow | undefined> {
  return trx<ProgramRow>('programs').where({ organization_id: organizationId, id }).forUpdate().first();
}

/** A version of a program's policy; versions that rows name exist. */
export async function findPolicy(
  trx: Transaction,
  organizationId: string,
  programId: string,
  version: number,
): Promise<ProgramPolicy | undefined> {
  const rows: { document: ProgramPolicy }[] = await trx('program_policies')
    .where({ organization_id: organizationId, program_id: programId, version })
    .select('document');
  return rows[0]?.document;
}

export async function updateProgram(
  trx: Transaction,
  organizationId: string,
  id: string,
  change: Partial<Pick<ProgramRow, 'state' | 'state_reason' | 'policy_version' | 'authorization_path'>>,
): Promise<ProgramRow> {
  const rows = await trx('programs')
    .where({ organization_id: organizationId, id })
    .update({ ...change, updated_at: trx.fn.now() })
    .returning<ProgramRow[]>('*');
  return required(rows[0], 'the changed program');
}

export async function findPrograms(
  trx: Transaction,
  organizationId: string,
  page: PageRequest,
  filter: { readonly state?: ProgramState | undefined },
): Promise<Page<ProgramRow>> {
  return findPage<ProgramRow>(trx, 'programs', organizationId, page, { where: { state: filter.state } });
}
