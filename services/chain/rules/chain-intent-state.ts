import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

export type IntentState = 'queued' | 'signed' | 'broadcast' | 'confirmed' | 'reverted' | 'failed';

export type IntentEvent =
  /** The estimate reverted, or the caller gave it up before anything was signed. */
  | { readonly kind: 'refusedUnsigned' }
  | { readonly kind: 'signed' }
  /** A node has at least one attempt. */
  | { readonly kind: 'sent' }
  /** An attempt stands in a block that the chain's policy calls confirmed. */
  | { readonly kind: 'landed'; readonly attempt: 'call' | 'cancel'; readonly status: 'success' | 'reverted' }
  /** A confirmed transaction that is none of our attempts has the nonce. */
  | { readonly kind: 'nonceTaken' };

function changed(state: IntentState): Transition<IntentState> {
  return { kind: 'changed', state };
}

function refused(state: IntentState, event: IntentEvent): Transition<IntentState> {
  return { kind: 'refused', reason: `${event.kind} does not fit ${state}` };
}

/** Where a landed attempt takes the intent. A landed cancel had no effect but its gas, whatever its status says. */
function landedState(event: Extract<IntentEvent, { kind: 'landed' }>): IntentState {
  if (event.attempt === 'cancel') return 'failed';
  return event.status === 'success' ? 'confirmed' : 'reverted';
}

/** The life of an intent. `confirmed`, `reverted` and `failed` are final. */
export function next(state: IntentState, event: IntentEvent): Transition<IntentState> {
  switch (state) {
    case 'queued':
      if (event.kind === 'signed') return changed('signed');
      if (event.kind === 'refusedUnsigned') return changed('failed');
      return refused(state, event);
    case 'signed':
    case 'broadcast':
      switch (event.kind) {
        case 'signed':
          return { kind: 'alreadyApplied', state };
        case 'sent':
          return state === 'broadcast' ? { kind: 'alreadyApplied', state } : changed('broadcast');
        case 'landed':
          return changed(landedState(event));
        case 'nonceTaken':
          return changed('failed');
        case 'refusedUnsigned':
          return refused(state, event);
        default:
          return unreachable(event);
      }
    case 'confirmed':
    case 'reverted':
    case 'failed':
      if (event.kind === 'landed' && landedState(event) !== state) return refused(state, event);
      return { kind: 'alreadyApplied', state };
    default:
      return unreachable(state);
  }
}
