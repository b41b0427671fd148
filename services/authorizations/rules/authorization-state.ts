import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

/**
 * `declined`, `cleared`, `reversed` and `expired` are ended: nothing is held. What the network says later is linked, and only more
 * for the purchase (`extended`) opens it again.
 */
export type AuthorizationState = 'declined' | 'pending' | 'partially_cleared' | 'cleared' | 'reversed' | 'expired';

/** What happened to an authorization. `holdLeft` is what is still held afterwards, cents. */
export type AuthorizationEvent =
  | { readonly kind: 'cleared'; readonly holdLeft: bigint }
  /** `left` is what may still be cleared: it can be more than is held, where the account did not cover it. */
  | { readonly kind: 'reversed'; readonly left: bigint }
  | { readonly kind: 'expired' }
  /** More is held for it; `cleared` tells whether part of it is cleared already. */
  | { readonly kind: 'extended'; readonly cleared: boolean };

/** Whether the authorization may still hold money. */
export function isOpen(state: AuthorizationState): boolean {
  return state === 'pending' || state === 'partially_cleared';
}

/**
 * Whether a purchase is over, so that nothing is added to it any more: a new one has to be asked for. `told` says whether the network has
 * given back or ended anything of it, or cleared it for the last time; without that, one that holds nothing has never come about (the
 * processor declined what we approved), has only been asked about, or has used up what was held before its last clearing. That one is
 * over when its days have passed (`ranOut`).
 */
export function isOver(
  state: AuthorizationState,
  facts: { readonly told: boolean; readonly ranOut: boolean },
): boolean {
  switch (state) {
    case 'pending':
    case 'partially_cleared':
    case 'declined':
      return false;
    case 'expired':
      return true;
    case 'cleared':
      return facts.told || facts.ranOut;
    case 'reversed':
      return facts.told;
    default:
      return unreachable(state, 'authorization state');
  }
}

/**
 * The authorization's state after an event. Total: a clearing posts whatever the state (in an ended one it is forced and
 * linked, the state stays), a release of nothing changes nothing.
 */
export function next(state: AuthorizationState, event: AuthorizationEvent): Transition<AuthorizationState> {
  switch (event.kind) {
    case 'cleared':
      return isOpen(state) ? moved(state, event.holdLeft === 0n ? 'cleared' : 'partially_cleared') : same(state);
    case 'reversed':
      return isOpen(state) && event.left === 0n ? ended(state, 'reversed') : same(state);
    case 'expired':
      return isOpen(state) ? ended(state, 'expired') : same(state);
    case 'extended':
      return isOpen(state) ? same(state) : moved(state, event.cleared ? 'partially_cleared' : 'pending');
    default:
      return unreachable(event, 'authorization event');
  }
}

/** A hold that ends after part of it was cleared leaves a cleared purchase. */
function ended(state: AuthorizationState, outcome: 'reversed' | 'expired'): Transition<AuthorizationState> {
  return moved(state, state === 'partially_cleared' ? 'cleared' : outcome);
}

function moved(from: AuthorizationState, to: AuthorizationState): Transition<AuthorizationState> {
  return from === to ? same(from) : { kind: 'changed', state: to };
}

function same(state: AuthorizationState): Transition<AuthorizationState> {
  return { kind: 'alreadyApplied', state };
}
