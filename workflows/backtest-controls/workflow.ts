import { proxyActivities } from '@temporalio/workflow';
import { DATABASE_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { BacktestControlsActivities } from './activities';
import { type BacktestControlsInput, backtestChanged } from './messages';

const { advanceBacktest } = proxyActivities<BacktestControlsActivities>(DATABASE_STEP);

/** Follows a backtest page by page to its end, or until it is cancelled. Where it stands is in its row. */
export async function backtestControls(input: BacktestControlsInput): Promise<void> {
  await followSteps(wakeUpOn(backtestChanged), () => advanceBacktest(input));
}
