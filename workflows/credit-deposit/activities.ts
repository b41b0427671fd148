import { type CreditDepositDeps, creditDeposit } from '../../services/deposits/credit-deposit';
import type { StepResult } from '../../services/shared/step';
import type { CreditDepositInput } from './messages';

export type { CreditDepositDeps };

export function createCreditDepositActivities(deps: CreditDepositDeps) {
  return {
    /** Brings one deposit forward and says what it waits for. */
    advanceDeposit: (input: CreditDepositInput): Promise<StepResult> => creditDeposit(deps, input),
  };
}

export type CreditDepositActivities = ReturnType<typeof createCreditDepositActivities>;
