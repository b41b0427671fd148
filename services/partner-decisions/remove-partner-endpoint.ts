import type { Transaction } from '../database/transaction';
import type { Refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { deleteEndpoint, lockEndpointOfProgram, type PartnerEndpointRow } from './partner-endpoint.repository';
import { appendEndpointEvent } from './set-partner-endpoint';
import { noEndpoint } from './show-partner-endpoint';

/** Forgets the endpoint and its secrets. While the policy still asks for a decision, the stand-in rules give it. */
export async function removePartnerEndpoint(
  trx: Transaction,
  input: { readonly organizationId: string; readonly programId: string },
): Promise<Result<PartnerEndpointRow, Refusal>> {
  const { organizationId, programId } = input;
  const { endpoint } = await lockEndpointOfProgram(trx, organizationId, programId);
  if (endpoint === undefined) return err(noEndpoint());
  await deleteEndpoint(trx, organizationId, programId);
  await appendEndpointEvent(trx, 'program.partner_endpoint_removed', endpoint);
  return ok(endpoint);
}
