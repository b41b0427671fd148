import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { err, ok, type Result } from '../shared/result';
import { matchesApiKey, type OrganizationMode, readApiKey } from './api-key-secret';
import { findApiKeyByKeyId, findKeyOrganization, findOrganization, markApiKeyUsed } from './organization.repository';

/** Who calls, once the key has proved it. */
export interface Caller {
  readonly organizationId: string;
  readonly apiKeyId: string;
  readonly scopes: readonly string[];
  readonly mode: OrganizationMode;
}

const USE_NOTED_EVERY_MS = 60_000;

/** The caller behind a presented key. Whether the key is unknown or its secret wrong is not told apart. */
export async function authenticateApiKey(
  deps: { readonly knex: Knex; readonly clock: Clock; readonly apiKeyPepper: string },
  presented: string,
): Promise<Result<Caller, 'invalid' | 'expired' | 'revoked'>> {
  const key = readApiKey(presented);
  if (key === null) return err('invalid');
  const organizationId = await findKeyOrganization(deps.knex, key.keyId);
  if (organizationId === undefined) {
    matchesApiKey(key.text, null, deps.apiKeyPepper);
    return err('invalid');
  }
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const row = await findApiKeyByKeyId(trx, organizationId, key.keyId);
    const organization = await findOrganization(trx, organizationId);
    const matches = matchesApiKey(key.text, row?.secret_hmac ?? null, deps.apiKeyPepper);
    if (!matches || row === undefined || organization === undefined || organization.mode !== key.mode)
      return err('invalid');
    const now = deps.clock.now();
    if (row.revoked_at !== null) return err('revoked');
    if (row.expires_at !== null && row.expires_at <= now) return err('expired');
    if (row.last_used_at === null || now.getTime() - row.last_used_at.getTime() > USE_NOTED_EVERY_MS) {
      await markApiKeyUsed(trx, organizationId, row.id, now);
    }
    return ok({ organizationId, apiKeyId: row.id, scopes: row.scopes, mode: organization.mode });
  });
}
