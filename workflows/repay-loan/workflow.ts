import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { RepayLoanActivities } from './activities';
import { type RepayLoanInput, repaymentChanged } from './messages';

const { advanceRepayment } = proxyActivities<RepayLoanActivities>(VENDOR_STEP);

/** Repays debt at the venue and then on the ledger, oldest draw first. */
export async function repayLoan(input: RepayLoanInput): Promise<void> {
  await followSteps(wakeUpOn(repaymentChanged), () => advanceRepayment(input));
}
