import {
  type DecideForWorkflowDeps,
  decideForWorkflow,
  type WorkflowDecision,
} from '../../services/authorizations/decide-for-workflow';
import {
  type AuthorizationWork,
  type FollowAuthorizationDeps,
  followAuthorization,
} from '../../services/authorizations/follow-authorization';
import type { SpendAuthorizationInput } from './messages';

export type SpendAuthorizationDeps = FollowAuthorizationDeps & DecideForWorkflowDeps;

export function createSpendAuthorizationActivities(deps: SpendAuthorizationDeps) {
  return {
    /** Decides the purchase and commits the decision, under the id that the workflow carries. */
    decideAuthorization: (authorizationId: string, request: unknown): Promise<WorkflowDecision> =>
      decideForWorkflow(deps, { authorizationId, request }),
    /** Lets the hold end when it is due and tells what is left to do. `look` counts the looks of this run. */
    followAuthorization: (input: SpendAuthorizationInput, look: number): Promise<AuthorizationWork> =>
      followAuthorization(deps, input, look),
  };
}

export type SpendAuthorizationActivities = ReturnType<typeof createSpendAuthorizationActivities>;
