import { type DrawLoanDeps, drawLoan } from '../../services/funding/draw-loan';
import type { StepResult } from '../../services/shared/step';
import type { DrawLoanInput } from './messages';

export type { DrawLoanDeps };

export function createDrawLoanActivities(deps: DrawLoanDeps) {
  return {
    /** Brings one draw forward: borrow, confirmation, shares, sale. */
    advanceDraw: (input: DrawLoanInput): Promise<StepResult> => drawLoan(deps, input),
  };
}

export type DrawLoanActivities = ReturnType<typeof createDrawLoanActivities>;
