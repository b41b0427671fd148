import type { Transaction } from '../database/transaction';
import type { KeyProvider } from '../providers/keys/port';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findCardholder, findKycCase } from './cardholder.repository';
import { type CardholderView, toCardholderView } from './cardholder-view';

/** One cardholder of the organization, or `not_found`. */
export async function showCardholder(
  trx: Transaction,
  deps: { readonly keys: KeyProvider },
  input: { readonly organizationId: string; readonly cardholderId: string },
): Promise<Result<CardholderView, Refusal>> {
  const row = await findCardholder(trx, input.organizationId, input.cardholderId);
  if (row === undefined) return err(refusal('not_found', 'No cardholder of this organization has this id.'));
  return ok(await toCardholderView(deps.keys, row, await findKycCase(trx, input.organizationId, row.id)));
}
