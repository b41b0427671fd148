import { type MoveCollateralDeps, moveCollateral } from '../../services/collateral/move-collateral';
import type { StepResult } from '../../services/shared/step';
import type { MoveCollateralInput } from './messages';

export type { MoveCollateralDeps };

export function createMoveCollateralActivities(deps: MoveCollateralDeps) {
  return {
    /** Brings one pledge or release forward and says what it waits for. */
    advanceCollateral: (input: MoveCollateralInput): Promise<StepResult> => moveCollateral(deps, input),
  };
}

export type MoveCollateralActivities = ReturnType<typeof createMoveCollateralActivities>;
