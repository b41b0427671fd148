import { proxyActivities } from '@temporalio/workflow';
import { VENDOR_STEP } from '../activity-options';
import { wakeUpOn } from '../wake-up';
import type { CardIssuanceActivities } from './activities';
import { type CardIssuanceInput, cardStateChanged } from './messages';

const { advanceCard } = proxyActivities<CardIssuanceActivities>(VENDOR_STEP);

/**
 * Has the processor make a card, once, and tells it of every later state. It ends when the processor's state is ours; a
 * later change starts it again.
 */
export async function cardIssuance(input: CardIssuanceInput): Promise<void> {
  const wakeUp = wakeUpOn(cardStateChanged);
  for (let look = 0; ; look += 1) {
    wakeUp.aboutToLook();
    const step = await advanceCard(input, look);
    if (wakeUp.signalled()) continue;
    if (step.done) return;
    await wakeUp.wait(step.waitMs);
  }
}
