import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

export type DepositState = 'seen' | 'confirmed' | 'credited' | 'dropped';

export type DepositEvent = 'seenAgain' | 'confirmed' | 'credited' | 'vanished';

/**
 * The life of a deposit. It vanishes in a reorg only before it is confirmed, and a transaction that a reorg removed may be
 * mined again: it is then the same deposit, seen again.
 */
export function next(state: DepositState, event: DepositEvent): Transition<DepositState> {
  switch (state) {
    case 'seen':
      switch (event) {
        case 'seenAgain':
          return { kind: 'alreadyApplied', state };
        case 'confirmed':
          return { kind: 'changed', state: 'confirmed' };
        case 'vanished':
          return { kind: 'changed', state: 'dropped' };
        case 'credited':
          return { kind: 'refused', reason: 'a deposit is confirmed before it is credited' };
        default:
          return unreachable(event);
      }
    case 'confirmed':
      if (event === 'credited') return { kind: 'changed', state: 'credited' };
      if (event === 'vanished') return { kind: 'refused', reason: 'a confirmed deposit vanished' };
      return { kind: 'alreadyApplied', state };
    case 'credited':
      if (event === 'vanished') return { kind: 'refused', reason: 'a credited deposit vanished' };
      return { kind: 'alreadyApplied', state };
    case 'dropped':
      if (event === 'seenAgain') return { kind: 'changed', state: 'seen' };
      if (event === 'vanished') return { kind: 'alreadyApplied', state };
      return { kind: 'refused', reason: `a dropped deposit can't be ${event}` };
    default:
      return unreachable(state);
  }
}
