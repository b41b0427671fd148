import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardProductRow, insertCardProduct, programExists } from './card-product.repository';
import { appendCardProductEvent } from './card-product-event';

/** Opens a kind of card within a program, with a switch of its own. Its name is unique there. */
export async function createCardProduct(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly programId: string;
    readonly name: string;
    readonly kind: CardProductRow['kind'];
  },
): Promise<Result<CardProductRow, Refusal>> {
  const { organizationId, programId, name, kind } = input;
  if (!(await programExists(trx, organizationId, programId))) {
    return err(refusal('not_found', 'there is no program with this id', '/program_id'));
  }
  const product = await insertCardProduct(trx, {
    organization_id: organizationId,
    id: newId(),
    program_id: programId,
    name,
    kind,
  });
  if (product === undefined) return err(nameTaken());
  await appendCardProductEvent(trx, 'card_product.created', product);
  return ok(product);
}

export function nameTaken(): Refusal {
  return refusal('already_exists', 'the program has a card product of this name: choose another one', '/name');
}
