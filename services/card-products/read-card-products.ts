import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import type { Refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardProductRow, findCardProduct, findCardProducts } from './card-product.repository';
import { noCardProduct } from './change-card-product';

export type { CardProductRow };

/** One card product of the organization, or `not_found`. */
export async function showCardProduct(
  trx: Transaction,
  input: { readonly organizationId: string; readonly productId: string },
): Promise<Result<CardProductRow, Refusal>> {
  const product = await findCardProduct(trx, input.organizationId, input.productId);
  return product === undefined ? err(noCardProduct()) : ok(product);
}

/** Card products of the organization, newest first. */
export async function listCardProducts(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly programId?: string | undefined;
    readonly state?: CardProductRow['state'] | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<CardProductRow>> {
  const { organizationId, programId, state, page } = input;
  return findCardProducts(trx, organizationId, { programId, state }, page);
}
