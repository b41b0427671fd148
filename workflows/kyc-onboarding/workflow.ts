import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { wakeUpOn } from '../wake-up';
import type { KycOnboardingActivities } from './activities';
import { documentsSubmitted, type KycOnboardingInput, kycHint } from './messages';

const { advanceKyc } = proxyActivities<KycOnboardingActivities>(VENDOR_STEP);

/**
 * Takes one cardholder through the vendor's review: applicant, documents, check, verdict. A verdict is fetched, never
 * believed from a webhook. When documents are to be handed in again it waits for them, however long that takes.
 */
export async function kycOnboarding(input: KycOnboardingInput): Promise<void> {
  const wakeUp = wakeUpOn(kycHint, documentsSubmitted);
  for (let look = 0; ; look += 1) {
    wakeUp.aboutToLook();
    const step = await advanceKyc(input, look);
    if (wakeUp.signalled()) continue;
    if (step.done) return;
    await wakeUp.wait(step.waitMs);
  }
}
