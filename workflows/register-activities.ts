import { invariant } from '../services/shared/assert';
import { type BacktestControlsDeps, createBacktestControlsActivities } from './backtest-controls/activities';
import { type CardIssuanceDeps, createCardIssuanceActivities } from './card-issuance/activities';
import { type CreditDepositDeps, createCreditDepositActivities } from './credit-deposit/activities';
import { createDrawLoanActivities, type DrawLoanDeps } from './draw-loan/activities';
import { createFundSaleActivities, type FundSaleDeps } from './fund-sale/activities';
import { createKycOnboardingActivities, type KycOnboardingDeps } from './kyc-onboarding/activities';
import { createMoveCollateralActivities, type MoveCollateralDeps } from './move-collateral/activities';
import { createRepayLoanActivities, type RepayLoanDeps } from './repay-loan/activities';
import { createSettleNetworkActivities, type SettleNetworkDeps } from './settle-network/activities';
import { createSpendAuthorizationActivities, type SpendAuthorizationDeps } from './spend-authorization/activities';

/** What the activities of all workflows need. A new workflow adds its own dependencies here and its activities below. */
export type WorkflowDependencies = BacktestControlsDeps &
  RepayLoanDeps &
  MoveCollateralDeps &
  SettleNetworkDeps &
  FundSaleDeps &
  DrawLoanDeps &
  CreditDepositDeps &
  CardIssuanceDeps &
  KycOnboardingDeps &
  SpendAuthorizationDeps;

/** The activities of every workflow in one object, as a worker takes them. Throws when two share a name. */
export function registerActivities(deps: WorkflowDependencies): object {
  const all = [
    createBacktestControlsActivities(deps),
    createRepayLoanActivities(deps),
    createMoveCollateralActivities(deps),
    createSettleNetworkActivities(deps),
    createFundSaleActivities(deps),
    createDrawLoanActivities(deps),
    createCreditDepositActivities(deps),
    createCardIssuanceActivities(deps),
    createKycOnboardingActivities(deps),
    createSpendAuthorizationActivities(deps),
  ];
  const names = all.flatMap((activities) => Object.keys(activities));
  invariant(new Set(names).size === names.length, `two activities share a name: ${names.sort().join(', ')}`);
  return Object.assign({}, ...all);
}
