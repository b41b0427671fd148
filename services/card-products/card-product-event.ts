import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { CardProductRow } from './card-product.repository';

type CardProductEventType =
  | 'card_product.created'
  | 'card_product.changed'
  | 'card_product.enabled'
  | 'card_product.disabled';

/** Tells the fintech of a card product as it is now. */
export async function appendCardProductEvent(
  trx: Transaction,
  type: CardProductEventType,
  product: CardProductRow,
): Promise<void> {
  await appendEvent(trx, {
    organizationId: product.organization_id,
    type,
    resourceKind: 'cardProduct',
    resourceId: product.id,
    data: {
      program_id: product.program_id,
      name: product.name,
      kind: product.kind,
      state: product.state,
      reason: product.state_reason,
    },
  });
}
