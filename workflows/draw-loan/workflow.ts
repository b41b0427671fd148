import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { DrawLoanActivities } from './activities';
import { type DrawLoanInput, offRampHint } from './messages';

const { advanceDraw } = proxyActivities<DrawLoanActivities>(VENDOR_STEP);

/** Draws the loan of one posting at the venue, waits for the chain, and has what was drawn sold. */
export async function drawLoan(input: DrawLoanInput): Promise<void> {
  await followSteps(wakeUpOn(offRampHint), () => advanceDraw(input));
}
