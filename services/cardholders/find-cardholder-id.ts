import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findCardholder } from './cardholder.repository';

/** Whether the cardholder is one of the organization's. */
export async function findOwnCardholder(
  knex: Knex,
  organizationId: string,
  cardholderId: string,
): Promise<Result<string, Refusal>> {
  const row = await inOrganization(knex, organizationId, (trx) => findCardholder(trx, organizationId, cardholderId));
  return row === undefined
    ? err(refusal('not_found', 'there is no cardholder with this id', '/cardholder_id'))
    : ok(row.id);
}
