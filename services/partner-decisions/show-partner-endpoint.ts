import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findEndpoint, type PartnerEndpointRow } from './partner-endpoint.repository';

/** Where a program's fintech is asked, or `not_found`. */
export async function showPartnerEndpoint(
  trx: Transaction,
  input: { readonly organizationId: string; readonly programId: string },
): Promise<Result<PartnerEndpointRow, Refusal>> {
  const endpoint = await findEndpoint(trx, input.organizationId, input.programId);
  return endpoint === undefined ? err(noEndpoint()) : ok(endpoint);
}

export function noEndpoint(): Refusal {
  return refusal('not_found', 'there is no partner endpoint for a program with this id');
}
