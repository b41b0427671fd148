import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { CreditDepositActivities } from './activities';
import { type CreditDepositInput, depositSeen } from './messages';

const { advanceDeposit } = proxyActivities<CreditDepositActivities>(VENDOR_STEP);

/** Follows one deposit from the first sight of it to the treasury: confirmed, screened, credited, swept. */
export async function creditDeposit(input: CreditDepositInput): Promise<void> {
  await followSteps(wakeUpOn(depositSeen), () => advanceDeposit(input));
}
