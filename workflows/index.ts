// Every function exported here is a workflow type of that name; `register-activities.ts` holds their activities.
export { backtestControls } from './backtest-controls/workflow';
export { cardIssuance } from './card-issuance/workflow';
export { creditDeposit } from './credit-deposit/workflow';
export { drawLoan } from './draw-loan/workflow';
export { fundSale } from './fund-sale/workflow';
export { kycOnboarding } from './kyc-onboarding/workflow';
export { moveCollateral } from './move-collateral/workflow';
export { repayLoan } from './repay-loan/workflow';
export { settleNetwork } from './settle-network/workflow';
export { spendAuthorization } from './spend-authorization/workflow';
