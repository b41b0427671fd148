import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { MoveCollateralActivities } from './activities';
import { collateralChanged, type MoveCollateralInput } from './messages';

const { advanceCollateral } = proxyActivities<MoveCollateralActivities>(VENDOR_STEP);

/** Supplies collateral to the venue for an account, or takes it back, and waits for the chain. */
export async function moveCollateral(input: MoveCollateralInput): Promise<void> {
  await followSteps(wakeUpOn(collateralChanged), () => advanceCollateral(input));
}
