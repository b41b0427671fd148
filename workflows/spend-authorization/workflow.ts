import { proxyActivities, setHandler } from '@temporalio/workflow';
import { DATABASE_STEP } from '../activity-options';
import { startOnce } from '../start-child';
import { wakeUpOn } from '../wake-up';
import type { SpendAuthorizationActivities } from './activities';
import { cardEvent, progress, type SpendAuthorizationInput } from './messages';

const { followAuthorization } = proxyActivities<SpendAuthorizationActivities>(DATABASE_STEP);

/**
 * Follows one purchase from its first commit to its last clearing: has every posting funded and lets the hold end at its
 * deadline. It ends when nothing more can be expected, and a later message (a clearing after expiry) starts it again.
 */
export async function spendAuthorization(input: SpendAuthorizationInput): Promise<void> {
  const wakeUp = wakeUpOn(cardEvent);
  const fundingStarted = new Set<string>();
  let state = 'unknown';
  let ended = false;
  setHandler(progress, () => ({ state, fundingStarted: [...fundingStarted], ended }));

  for (let look = 0; ; look += 1) {
    wakeUp.aboutToLook();
    const work = await followAuthorization(input, look);
    state = work.state;
    for (const posting of work.postingsToFund) {
      if (fundingStarted.has(posting.workflowId)) continue;
      fundingStarted.add(posting.workflowId);
      const funding = await startOnce(posting.workflowType, posting.workflowId, {
        organizationId: input.organizationId,
        postingId: posting.postingId,
      });
      if (funding !== null) wakeUp.alsoOn(funding.ended);
    }
    if (wakeUp.signalled()) continue;
    if (work.done) break;
    await wakeUp.wait(work.waitMs);
  }
  ended = true;
}
