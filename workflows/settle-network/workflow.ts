import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { followSteps } from '../follow-steps';
import { wakeUpOn } from '../wake-up';
import type { SettleNetworkActivities } from './activities';
import { type SettleNetworkInput, settlementChanged } from './messages';

const { advanceSettlement } = proxyActivities<SettleNetworkActivities>(VENDOR_STEP);

/** Follows the settlement of one date until the bank has moved it and network, bank and ledger were compared. */
export async function settleNetwork(input: SettleNetworkInput): Promise<void> {
  await followSteps(wakeUpOn(settlementChanged), () => advanceSettlement(input));
}
