import type { Knex } from 'knex';
import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { OrganizationMode } from './api-key-secret';

export interface OrganizationRow {
  readonly id: string;
  readonly name: string;
  readonly mode: OrganizationMode;
  readonly chain_index: number;
  readonly created_at: Date;
}

export interface ApiKeyRow {
  readonly organization_id: string;
  readonly id: string;
  readonly key_id: string;
  readonly secret_hmac: Buffer;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

export async function insertOrganization(
  trx: Transaction,
  row: Pick<OrganizationRow, 'id' | 'name' | 'mode'>,
): Promise<OrganizationRow> {
  const rows = await trx('organizations').insert(row).returning<OrganizationRow[]>('*');
  return required(rows[0], 'the new organization');
}

export async function findOrganization(trx: Transaction, id: string): Promise<OrganizationRow | undefined> {
  return trx<OrganizationRow>('organizations').where({ id }).first();
}

/** The organization a key belongs to; the one lookup that happens before an organization is set. */
export async function findKeyOrganization(knex: Knex, keyId: string): Promise<string | undefined> {
  const row = await knex<{ key_id: string; organization_id: string }>('api_key_routes')
    .where({ key_id: keyId })
    .first();
  return row?.organization_id;
}

export async function insertApiKey(
  trx: Transaction,
  row: Pick<ApiKeyRow, 'organization_id' | 'id' | 'key_id' | 'secret_hmac' | 'label' | 'scopes' | 'expires_at'>,
): Promise<ApiKeyRow> {
  await trx('api_key_routes').insert({ key_id: row.key_id, organization_id: row.organization_id });
  const rows = await trx('api_keys').insert(row).returning<ApiKeyRow[]>('*');
  return required(rows[0], 'the new API key');
}

export async function findApiKeyByKeyId(
  trx: Transaction,
  organizationId: string,
  keyId: string,
): Promise<ApiKeyRow | undefined> {
  return trx<ApiKeyRow>('api_keys').where({ organization_id: organizationId, key_id: keyId }).first();
}

export async function lockApiKey(trx: Transaction, organizationId: string, id: string): Promise<ApiKeyRow | undefined> {
  return trx<ApiKeyRow>('api_keys').where({ organization_id: organizationId, id }).forUpdate().first();
}

export async function markApiKeyRevoked(
  trx: Transaction,
  organizationId: string,
  id: string,
  revokedAt: Date,
): Promise<ApiKeyRow> {
  const rows = await trx('api_keys')
    .where({ organization_id: organizationId, id })
    .update({ revoked_at: revokedAt })
    .returning<ApiKeyRow[]>('*');
  return required(rows[0], 'the revoked API key');
}

export async function markApiKeyUsed(
  trx: Transaction,
  organizationId: string,
  id: string,
  usedAt: Date,
): Promise<void> {
  await trx('api_keys').where({ organization_id: organizationId, id }).update({ last_used_at: usedAt });
}

export async function findApiKeys(
  trx: Transaction,
  organizationId: string,
  page: PageRequest,
): Promise<Page<ApiKeyRow>> {
  return findPage<ApiKeyRow>(trx, 'api_keys', organizationId, page);
}
