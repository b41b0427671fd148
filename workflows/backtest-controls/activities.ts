import { type AdvanceBacktestDeps, advanceBacktest } from '../../services/control-versions/advance-backtest';
import type { StepResult } from '../../services/shared/step';
import type { BacktestControlsInput } from './messages';

export type BacktestControlsDeps = AdvanceBacktestDeps;

export function createBacktestControlsActivities(deps: BacktestControlsDeps) {
  return {
    /** Decides the next pages of stored authorizations again. */
    advanceBacktest: (input: BacktestControlsInput): Promise<StepResult> => advanceBacktest(deps, input),
  };
}

export type BacktestControlsActivities = ReturnType<typeof createBacktestControlsActivities>;
