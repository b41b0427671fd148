import { type SettleNetworkDeps, settleNetwork } from '../../services/settlement/settle-network';
import type { StepResult } from '../../services/shared/step';
import type { SettleNetworkInput } from './messages';

export type { SettleNetworkDeps };

export function createSettleNetworkActivities(deps: SettleNetworkDeps) {
  return {
    /** Brings one settlement forward: the network's figure, the bank's movement, the books. */
    advanceSettlement: (input: SettleNetworkInput): Promise<StepResult> => settleNetwork(deps, input),
  };
}

export type SettleNetworkActivities = ReturnType<typeof createSettleNetworkActivities>;
