import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardRow, findCard } from './card.repository';

/** One card of the organization, or `not_found`. */
export async function showCard(
  trx: Transaction,
  input: { readonly organizationId: string; readonly cardId: string },
): Promise<Result<CardRow, Refusal>> {
  const card = await findCard(trx, input.organizationId, input.cardId);
  return card === undefined ? err(refusal('not_found', 'No card of this organization has this id.')) : ok(card);
}
