import type { Transaction } from '../database/transaction';
import type { Refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardProductRow, lockCardProduct, updateCardProduct } from './card-product.repository';
import { appendCardProductEvent } from './card-product-event';
import { noCardProduct } from './change-card-product';

/**
 * The switch of a kind of card: while it is disabled every authorization on its cards is declined and none is issued; what the network
 * clears is posted all the same. The change moves the program's version, so that no authorization commits on a snapshot from before it.
 */
export async function setCardProductState(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly productId: string;
    readonly state: CardProductRow['state'];
    readonly reason: string | null;
  },
): Promise<Result<CardProductRow, Refusal>> {
  const { organizationId, productId, state, reason } = input;
  const product = await lockCardProduct(trx, organizationId, productId);
  if (product === undefined) return err(noCardProduct());
  if (product.state === state) return ok(product);
  const changed = await updateCardProduct(trx, organizationId, productId, { state, state_reason: reason });
  await appendCardProductEvent(trx, state === 'active' ? 'card_product.enabled' : 'card_product.disabled', changed);
  return ok(changed);
}
