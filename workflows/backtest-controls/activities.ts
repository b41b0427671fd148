import { type AdvanceBacktestDeps, advanceBacktest } from '../../services/control-versions/advance-backtest';
import type { StepResult } from '../../services/shared/step';
import type { BacktestControlsInput } from './messages';

export interface BacktestControlsDeps extends Pick<AdvanceBacktestDeps, 'clock'> {
  /** Of the role `app`: its statements may take as long as a page of history takes. */
  readonly backtestsKnex: AdvanceBacktestDeps['knex'];
}

export function createBacktestControlsActivities(deps: BacktestControlsDeps) {
  return {
    /** Decides the next pages of stored authorizations again. */
    advanceBacktest: (input: BacktestControlsInput): Promise<StepResult> =>
      advanceBacktest({ knex: deps.backtestsKnex, clock: deps.clock }, input),
  };
}

export type BacktestControlsActivities = ReturnType<typeof createBacktestControlsActivities>;
