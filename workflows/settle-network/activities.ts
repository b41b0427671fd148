import { type AdvanceSettlementDeps, advanceSettlement } from '../../services/settlement/advance-settlement';
import type { StepResult } from '../../services/shared/step';
import type { SettleNetworkInput } from './messages';

export type SettleNetworkDeps = AdvanceSettlementDeps;

export function createSettleNetworkActivities(deps: SettleNetworkDeps) {
  return {
    /** Brings one settlement forward: the network's report, the bank's entry, the books. */
    advanceSettlement: (input: SettleNetworkInput): Promise<StepResult> => advanceSettlement(deps, input),
  };
}

export type SettleNetworkActivities = ReturnType<typeof createSettleNetworkActivities>;
