import type { DrawLoanDeps } from '../../services/funding/draw-loan';
import { fundPosting } from '../../services/funding/fund-posting';
import type { StepResult } from '../../services/shared/step';
import type { FundSaleInput } from './messages';

export type FundSaleDeps = DrawLoanDeps;

export function createFundSaleActivities(deps: FundSaleDeps) {
  return {
    /** Brings the funding of one posting forward and says what it waits for. */
    advanceSale: (input: FundSaleInput): Promise<StepResult> => fundPosting(deps, input),
  };
}

export type FundSaleActivities = ReturnType<typeof createFundSaleActivities>;
