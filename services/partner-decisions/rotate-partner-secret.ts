import type { Transaction } from '../database/transaction';
import type { KeyProvider } from '../providers/keys/port';
import type { Clock } from '../shared/clock';
import type { Refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { newEndpointSecret, sealNextSecret } from './endpoint-secret';
import { lockEndpointOfProgram, updateEndpoint } from './partner-endpoint.repository';
import { appendEndpointEvent, type ShownEndpoint } from './set-partner-endpoint';
import { noEndpoint } from './show-partner-endpoint';

const HOUR_MS = 3_600_000;

/**
 * Gives the endpoint a new secret. For `overlapHours` questions carry a signature of the former secret too, so that the fintech may
 * change over without a gap; 0 ends the former one at once, as after a leak.
 */
export async function rotatePartnerSecret(
  trx: Transaction,
  deps: { readonly keys: KeyProvider; readonly clock: Clock },
  input: { readonly organizationId: string; readonly programId: string; readonly overlapHours: number },
): Promise<Result<ShownEndpoint, Refusal>> {
  const { organizationId, programId, overlapHours } = input;
  const { endpoint: before } = await lockEndpointOfProgram(trx, organizationId, programId);
  if (before === undefined) return err(noEndpoint());
  const secret = newEndpointSecret();
  const owner = { organizationId, endpointId: before.id };
  const endpoint = await updateEndpoint(trx, organizationId, programId, {
    secret: await sealNextSecret(deps.keys, owner, before.data_key, secret),
    secret_version: before.secret_version + 1,
    ...(overlapHours === 0
      ? { previous_secret: null, previous_secret_expires_at: null }
      : {
          previous_secret: before.secret,
          previous_secret_expires_at: new Date(deps.clock.now().getTime() + overlapHours * HOUR_MS),
        }),
  });
  await appendEndpointEvent(trx, 'program.partner_secret_rotated', endpoint);
  return ok({ endpoint, secret });
}
