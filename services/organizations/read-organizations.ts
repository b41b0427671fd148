import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { type ApiKeyRow, findApiKeys, findOrganization, type OrganizationRow } from './organization.repository';

export type { ApiKeyRow, OrganizationRow };

export async function getOrganization(trx: Transaction, organizationId: string): Promise<OrganizationRow | undefined> {
  return findOrganization(trx, organizationId);
}

export async function listApiKeys(
  trx: Transaction,
  organizationId: string,
  page: PageRequest,
): Promise<Page<ApiKeyRow>> {
  return findApiKeys(trx, organizationId, page);
}
