// Every function exported here is a workflow type of that name; `register-activities.ts` holds their activities.
export { cardIssuance } from './card-issuance/workflow';
export { kycOnboarding } from './kyc-onboarding/workflow';
export { spendAuthorization } from './spend-authorization/workflow';
