import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardProductRow, hasOtherOfName, lockCardProduct, updateCardProduct } from './card-product.repository';
import { appendCardProductEvent } from './card-product-event';
import { nameTaken } from './create-card-product';

/** Gives a card product another name. Its kind stays: cards of it are out there. */
export async function changeCardProduct(
  trx: Transaction,
  input: { readonly organizationId: string; readonly productId: string; readonly name: string },
): Promise<Result<CardProductRow, Refusal>> {
  const { organizationId, productId, name } = input;
  const product = await lockCardProduct(trx, organizationId, productId);
  if (product === undefined) return err(noCardProduct());
  if (product.name === name) return ok(product);
  if (await hasOtherOfName(trx, product, name)) return err(nameTaken());
  const changed = await updateCardProduct(trx, organizationId, productId, { name });
  await appendCardProductEvent(trx, 'card_product.changed', changed);
  return ok(changed);
}

export function noCardProduct(): Refusal {
  return refusal('not_found', 'there is no card product with this id');
}
