import type { Transaction } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type ApiKeyRow, lockApiKey, markApiKeyRevoked } from './organization.repository';

/** Ends a key from its next request on. Revoking it again changes nothing. */
export async function revokeApiKey(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly apiKeyId: string },
): Promise<Result<ApiKeyRow, Refusal>> {
  const row = await lockApiKey(trx, input.organizationId, input.apiKeyId);
  if (row === undefined) return err(refusal('not_found', 'there is no API key with this id'));
  if (row.revoked_at !== null) return ok(row);
  return ok(await markApiKeyRevoked(trx, input.organizationId, input.apiKeyId, deps.clock.now()));
}
