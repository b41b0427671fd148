import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { CardRow } from './card.repository';

export type CardEventType =
  | 'card.created'
  | 'card.issued'
  | 'card.activated'
  | 'card.paused'
  | 'card.closed'
  | 'card.failed'
  | 'card.controls_changed';

/** Tells the fintech of a card as it is now. */
export async function appendCardEvent(trx: Transaction, type: CardEventType, card: CardRow): Promise<void> {
  await appendEvent(trx, {
    organizationId: card.organization_id,
    type,
    resourceKind: 'card',
    resourceId: card.id,
    data: {
      account_id: card.account_id,
      cardholder_id: card.cardholder_id,
      product_id: card.product_id,
      kind: card.kind,
      state: card.state,
      last_four: card.last_four,
      network: card.network,
      expiry_month: card.expiry_month,
      expiry_year: card.expiry_year,
      controls: card.controls,
      pending_controls: card.pending_controls,
      failure: card.failure,
    },
  });
}
