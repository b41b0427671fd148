import {
  type AuthorizationWork,
  type FollowAuthorizationDeps,
  followAuthorization,
} from '../../services/authorizations/follow-authorization';
import type { SpendAuthorizationInput } from './messages';

export type SpendAuthorizationDeps = FollowAuthorizationDeps;

export function createSpendAuthorizationActivities(deps: SpendAuthorizationDeps) {
  return {
    /** Lets the hold end when it is due and tells what is left to do. `look` counts the looks of this run. */
    followAuthorization: (input: SpendAuthorizationInput, look: number): Promise<AuthorizationWork> =>
      followAuthorization(deps, input, look),
  };
}

export type SpendAuthorizationActivities = ReturnType<typeof createSpendAuthorizationActivities>;
