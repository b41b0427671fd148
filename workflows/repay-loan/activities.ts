import { type RepayLoanDeps, repayLoan } from '../../services/funding/repay-loan';
import type { StepResult } from '../../services/shared/step';
import type { RepayLoanInput } from './messages';

export type { RepayLoanDeps };

export function createRepayLoanActivities(deps: RepayLoanDeps) {
  return {
    /** Brings one repayment forward: accrual, transaction, confirmation, books. */
    advanceRepayment: (input: RepayLoanInput): Promise<StepResult> => repayLoan(deps, input),
  };
}

export type RepayLoanActivities = ReturnType<typeof createRepayLoanActivities>;
