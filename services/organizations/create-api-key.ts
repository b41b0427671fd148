import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { generateApiKey, hashApiKey } from './api-key-secret';
import { type ApiKeyRow, findOrganization, insertApiKey } from './organization.repository';
import type { ApiKeyScope } from './rules/api-key-scopes';

export interface ApiKeyDeps {
  readonly clock: Clock;
  readonly apiKeyPepper: string;
}

/** A key of the organization, with its text: the only time it is known. Refuses an expiry that has passed. */
export async function createApiKey(
  trx: Transaction,
  deps: ApiKeyDeps,
  input: {
    readonly organizationId: string;
    readonly label: string;
    readonly scopes: readonly ApiKeyScope[];
    readonly expiresAt: Date | null;
  },
): Promise<Result<{ readonly row: ApiKeyRow; readonly secret: string }, Refusal>> {
  if (input.expiresAt !== null && input.expiresAt <= deps.clock.now()) {
    return err(refusal('invalid_parameter', 'expires_at has passed: name an instant in the future', '/expires_at'));
  }
  const organization = await findOrganization(trx, input.organizationId);
  if (organization === undefined) return err(refusal('not_found', 'there is no organization with this id'));
  const key = generateApiKey(organization.mode);
  const row = await insertApiKey(trx, {
    organization_id: input.organizationId,
    id: newId(),
    key_id: key.keyId,
    secret_hmac: hashApiKey(key.text, deps.apiKeyPepper),
    label: input.label,
    scopes: [...input.scopes],
    expires_at: input.expiresAt,
  });
  return ok({ row, secret: key.text });
}
