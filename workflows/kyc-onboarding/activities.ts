import { type AdvanceKycDeps, advanceKyc, type KycStep } from '../../services/cardholders/advance-kyc';
import type { KycOnboardingInput } from './messages';

export type KycOnboardingDeps = AdvanceKycDeps;

export function createKycOnboardingActivities(deps: KycOnboardingDeps) {
  return {
    /** Does the next thing that is due at the vendor and records what it said. */
    advanceKyc: (input: KycOnboardingInput, look: number): Promise<KycStep> => advanceKyc(deps, input, look),
  };
}

export type KycOnboardingActivities = ReturnType<typeof createKycOnboardingActivities>;
