import type { Knex } from 'knex';
import { lockAccount } from '../accounts/account.repository';
import { inOrganization, type Transaction } from '../database/transaction';
import type { CardEvent } from '../providers/processor/port';
import type { ReceiptSealer } from '../receipts/seal-receipts';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { findAuthorizationOf, findCardRoute, findMessage, insertEventMessage } from './card-event.repository';
import type { CardEventContext, RecordedCardEvent } from './card-event-context';
import { clearedByRequest } from './cleared-request';
import { expireByNetwork } from './expire-authorization';
import { recordAdvice } from './record-advice';
import { recordClearing, recordRefundReversal } from './record-clearing';
import { recordRefund } from './record-refund';
import { recordReversal } from './record-reversal';
import { wakeAuthorization } from './wake-authorization';

export type CardEventOutcome =
  | {
      readonly kind: 'recorded';
      readonly organizationId: string;
      readonly accountId: string;
      readonly authorizationId: string | null;
      readonly cardTransactionId: string | null;
    }
  | { readonly kind: 'already_recorded'; readonly organizationId: string }
  /** The message's id is known with other content: nothing was done, somebody has to look. */
  | { readonly kind: 'conflict'; readonly organizationId: string }
  /** Billed in a currency that no card of ours has: nothing was done, somebody has to look. */
  | { readonly kind: 'unsupported_currency'; readonly organizationId: string }
  | { readonly kind: 'unknown_card' }
  /** A request was declined on a card, or in a currency, in which we never approved one. */
  | { readonly kind: 'nothing_approved' };

/** What every card is billed in. */
const BILLING_CURRENCY = 'USD';

const RECORD: Readonly<
  Record<
    CardEvent['kind'],
    (trx: Transaction, context: CardEventContext, sealer: ReceiptSealer) => Promise<RecordedCardEvent>
  >
> = {
  clearing: recordClearing,
  reversal: recordReversal,
  expiry: expireByNetwork,
  refund: recordRefund,
  refund_reversal: recordRefundReversal,
  authorization_advice: recordAdvice,
};

/**
 * Records what the network tells about a purchase, once, with all it does to the ledger, in one transaction; the workflow
 * that funds it is signalled afterwards. It has happened, so it is never refused: not for a closed card, an empty account
 * or a message that comes before the one it belongs to.
 */
export async function recordCardEvent(
  deps: { readonly knex: Knex; readonly clock: Clock; readonly sealer: ReceiptSealer },
  event: CardEvent,
): Promise<CardEventOutcome> {
  const route = await deps.knex.transaction((trx) => findCardRoute(trx, event.vendor, event.cardToken));
  const undoesRequest = event.reversedMessageId !== null;
  if (route === undefined) return { kind: undoesRequest ? 'nothing_approved' : 'unknown_card' };
  const organizationId = route.organization_id;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    // All messages of an account are recorded one after the other.
    const account = required(await lockAccount(trx, organizationId, route.account_id), 'the account of a card');
    const known = await findMessage(trx, organizationId, event.vendor, event.messageId);
    if (known !== undefined) {
      return { kind: known.content_hash === event.contentHash ? 'already_recorded' : 'conflict', organizationId };
    }
    if (event.currency !== BILLING_CURRENCY)
      return undoesRequest ? { kind: 'nothing_approved' } : { kind: 'unsupported_currency', organizationId };
    const authorization = await findAuthorizationOf(
      trx,
      organizationId,
      account.id,
      event.vendor,
      event.processorAuthorizationId,
    );
    const context: CardEventContext = {
      organizationId,
      account,
      cardId: route.card_id,
      authorization: authorization ?? null,
      event: await clearedByRequest(trx, authorization, event),
      now: deps.clock.now(),
    };
    const recorded = await RECORD[event.kind](trx, context, deps.sealer);
    await insertEventMessage(trx, organizationId, event, account.id, recorded.authorizationId);
    const { authorizationId, cardTransactionId, nothingChanged } = recorded;
    const outcome = { organizationId, accountId: account.id, authorizationId, cardTransactionId };
    if (nothingChanged) return { kind: 'recorded', ...outcome };
    if (authorizationId !== null) await wakeAuthorization(trx, { organizationId, authorizationId });
    else if (cardTransactionId !== null) await wakeAuthorization(trx, { organizationId, cardTransactionId });
    return { kind: 'recorded', ...outcome };
  });
}
