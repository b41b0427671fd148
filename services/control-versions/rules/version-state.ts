import type { Transition } from '../../shared/result';

export const VERSION_STATES = ['draft', 'active', 'scheduled', 'superseded', 'discarded'] as const;

/**
 * `active`: all of it is in force. `scheduled`: promoted; what is tighter is in force, the rest waits for the cooling-off,
 * and the active version before it holds until then.
 */
export type VersionState = (typeof VERSION_STATES)[number];

export type VersionEvent =
  | { readonly kind: 'promoted'; readonly waits: boolean }
  | { readonly kind: 'discarded' }
  /** The cooling-off is over. */
  | { readonly kind: 'due' }
  /** A newer version took its place. */
  | { readonly kind: 'replaced' };

const refused = (reason: string): Transition<VersionState> => ({ kind: 'refused', reason });
const changed = (state: VersionState): Transition<VersionState> => ({ kind: 'changed', state });

export function next(state: VersionState, event: VersionEvent): Transition<VersionState> {
  switch (event.kind) {
    case 'promoted':
      return state === 'draft' ? changed(event.waits ? 'scheduled' : 'active') : refused(`the version is ${state}`);
    case 'discarded':
      if (state === 'discarded') return { kind: 'alreadyApplied', state };
      return state === 'draft' || state === 'scheduled' ? changed('discarded') : refused(`the version is ${state}`);
    case 'due':
      if (state === 'active') return { kind: 'alreadyApplied', state };
      return state === 'scheduled' ? changed('active') : refused(`the version is ${state}`);
    case 'replaced':
      if (state === 'superseded') return { kind: 'alreadyApplied', state };
      return state === 'active' || state === 'scheduled' ? changed('superseded') : refused(`the version is ${state}`);
  }
}
