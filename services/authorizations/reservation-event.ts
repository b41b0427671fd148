import type { CardEvent } from '../providers/processor/port';
import type { AuthorizationRow } from './authorization.repository';

/** Vendor of what we do ourselves: it is no message of the network, and its settlement never looks at it. */
const OURSELVES = 'escudo';

/** A movement of our own on a purchase, in the shape in which card transactions are written. */
export function reservationEvent(
  authorization: AuthorizationRow,
  movement: { readonly reference: string; readonly amount: bigint; readonly at: Date },
): CardEvent {
  return {
    vendor: OURSELVES,
    messageId: `${authorization.id}:${movement.reference}`,
    processorAuthorizationId: authorization.processor_authorization_id,
    cardToken: '',
    kind: 'clearing',
    amount: movement.amount,
    amountBasis: 'delta',
    cashAmount: 0n,
    channel: 'unknown',
    reversedMessageId: null,
    clearedMessageId: null,
    currency: authorization.currency,
    merchantAmount: authorization.merchant_amount,
    merchantCurrency: authorization.merchant_currency,
    merchant: authorization.merchant,
    final: false,
    originalProcessorAuthorizationId: null,
    effectiveAt: movement.at,
    contentHash: '',
  };
}
