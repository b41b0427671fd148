import type { Transaction } from '../database/transaction';
import type { OrganizationMode } from './api-key-secret';
import { insertOrganization, type OrganizationRow } from './organization.repository';

/** Opens an organization under the id that the caller's transaction already names as its tenant. */
export async function createOrganization(
  trx: Transaction,
  input: { readonly organizationId: string; readonly name: string; readonly mode: OrganizationMode },
): Promise<OrganizationRow> {
  return insertOrganization(trx, { id: input.organizationId, name: input.name, mode: input.mode });
}
