import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

/** Draw orders, repayments and collateral operations: each is one call on chain, tried again under a new attempt. */
export type ChainOrderState = 'requested' | 'submitted' | 'confirmed' | 'failed';

/** `attemptEnded`: the call had no effect and another attempt may follow. `gaveUp`: none will. `reorged`: a confirmed effect vanished. */
export type ChainOrderEvent = 'submitted' | 'confirmed' | 'attemptEnded' | 'gaveUp' | 'reorged';

export function next(state: ChainOrderState, event: ChainOrderEvent): Transition<ChainOrderState> {
  switch (state) {
    case 'requested':
      if (event === 'submitted') return { kind: 'changed', state: 'submitted' };
      if (event === 'gaveUp') return { kind: 'changed', state: 'failed' };
      return { kind: 'refused', reason: `${event} before it was submitted` };
    case 'submitted':
      switch (event) {
        case 'submitted':
          return { kind: 'alreadyApplied', state };
        case 'confirmed':
          return { kind: 'changed', state: 'confirmed' };
        case 'attemptEnded':
          return { kind: 'changed', state: 'requested' };
        case 'gaveUp':
          return { kind: 'changed', state: 'failed' };
        case 'reorged':
          return { kind: 'refused', reason: 'only a confirmed call can be undone by a reorg' };
        default:
          return unreachable(event);
      }
    case 'confirmed':
      if (event === 'reorged') return { kind: 'changed', state: 'requested' };
      if (event === 'confirmed' || event === 'submitted') return { kind: 'alreadyApplied', state };
      return { kind: 'refused', reason: `${event} after it was confirmed` };
    case 'failed':
      return event === 'gaveUp'
        ? { kind: 'alreadyApplied', state }
        : { kind: 'refused', reason: `${event} after it finally failed` };
    default:
      return unreachable(state);
  }
}
