import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

export type SaleState = 'requested' | 'submitted' | 'paid_out' | 'returned' | 'unknown';

/**
 * `tokensSent`: the transfer to the vendor is confirmed. `fateUnclear`: the vendor did not say what became of the order.
 * `tokensReturned`: they are back in our wallet, confirmed. `retried`: a new attempt with a new order.
 */
export type SaleEvent = 'tokensSent' | 'fateUnclear' | 'paidOut' | 'tokensReturned' | 'retried';

/** The life of one sale. Only a sale whose tokens are ours again, or never left, may be tried again. */
export function next(state: SaleState, event: SaleEvent): Transition<SaleState> {
  switch (state) {
    case 'requested':
      if (event === 'tokensSent') return { kind: 'changed', state: 'submitted' };
      if (event === 'retried') return { kind: 'changed', state: 'requested' };
      return { kind: 'refused', reason: `${event} before the tokens were sent` };
    case 'submitted':
    case 'unknown':
      switch (event) {
        case 'tokensSent':
          return state === 'unknown' ? { kind: 'changed', state: 'submitted' } : { kind: 'alreadyApplied', state };
        case 'fateUnclear':
          return state === 'unknown' ? { kind: 'alreadyApplied', state } : { kind: 'changed', state: 'unknown' };
        case 'paidOut':
          return { kind: 'changed', state: 'paid_out' };
        case 'tokensReturned':
          return { kind: 'changed', state: 'returned' };
        case 'retried':
          return { kind: 'refused', reason: 'the vendor still has the tokens' };
        default:
          return unreachable(event);
      }
    case 'paid_out':
      return event === 'retried' || event === 'tokensReturned'
        ? { kind: 'refused', reason: `${event} after the payout` }
        : { kind: 'alreadyApplied', state };
    case 'returned':
      if (event === 'retried') return { kind: 'changed', state: 'requested' };
      if (event === 'tokensReturned') return { kind: 'alreadyApplied', state };
      return { kind: 'refused', reason: `${event} after the tokens came back` };
    default:
      return unreachable(state);
  }
}
