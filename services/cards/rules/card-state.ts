import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

export type CardState = 'pending' | 'pending_fulfillment' | 'shipped' | 'inactive' | 'active' | 'paused' | 'closed';

export type CardStateEvent =
  /** The processor has made the card. */
  | { readonly kind: 'issued'; readonly cardKind: 'virtual' | 'physical' }
  /** The processor refused to make it, for good. */
  | { readonly kind: 'issuance_refused' }
  | { readonly kind: 'ship' }
  | { readonly kind: 'activate' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'close' };

/**
 * `pending → active` for a virtual card, `pending → pending_fulfillment → shipped → active` for a physical one,
 * `active ⇄ paused`, and `closed` from everywhere, for good.
 */
export function next(state: CardState, event: CardStateEvent): Transition<CardState> {
  switch (event.kind) {
    case 'issued':
      if (state === 'pending') return changed(event.cardKind === 'virtual' ? 'active' : 'pending_fulfillment');
      // Closed while the processor was making it: it stays closed, and the processor is told so.
      return { kind: 'alreadyApplied', state };
    case 'issuance_refused':
      if (state === 'pending') return changed('closed');
      if (state === 'closed') return { kind: 'alreadyApplied', state };
      return refused('the card has been issued');
    case 'ship':
      if (state === 'pending_fulfillment') return changed('shipped');
      if (state === 'shipped') return { kind: 'alreadyApplied', state };
      return refused(`a card that is ${state} cannot be shipped`);
    case 'activate':
      if (state === 'paused' || state === 'inactive' || state === 'shipped') return changed('active');
      if (state === 'active') return { kind: 'alreadyApplied', state };
      return refused(`a card that is ${state} cannot be activated`);
    case 'pause':
      if (state === 'active') return changed('paused');
      if (state === 'paused') return { kind: 'alreadyApplied', state };
      return refused(`a card that is ${state} cannot be paused`);
    case 'close':
      return state === 'closed' ? { kind: 'alreadyApplied', state } : changed('closed');
    default:
      return unreachable(event, 'card event');
  }
}

/** How the processor should hold a card of this state: it declines for us even when it cannot reach us. */
export function processorStateFor(state: CardState): 'active' | 'paused' | 'closed' | null {
  switch (state) {
    case 'pending':
      return null;
    case 'active':
      return 'active';
    case 'pending_fulfillment':
    case 'shipped':
    case 'inactive':
    case 'paused':
      return 'paused';
    case 'closed':
      return 'closed';
    default:
      return unreachable(state, 'card state');
  }
}

function changed(state: CardState): Transition<CardState> {
  return { kind: 'changed', state };
}

function refused(reason: string): Transition<CardState> {
  return { kind: 'refused', reason };
}
