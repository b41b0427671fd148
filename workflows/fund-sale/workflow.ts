import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { FundSaleActivities } from './activities';
import { type FundSaleInput, offRampHint } from './messages';

const { advanceSale } = proxyActivities<FundSaleActivities>(VENDOR_STEP);

/** Sells the tokens of one posting: order at the off-ramp, tokens on their way, payout at the bank, books closed. */
export async function fundSale(input: FundSaleInput): Promise<void> {
  await followSteps(wakeUpOn(offRampHint), () => advanceSale(input));
}
