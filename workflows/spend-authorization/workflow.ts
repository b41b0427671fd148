import {
  allHandlersFinished,
  condition,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow';
import type { AfterAnswer } from '../../services/authorizations/decide-for-workflow';
import { DATABASE_STEP, DECISION_STEP } from '../activity-options';
import { startOnce } from '../start-child';
import { type WakeUp, wakeUpOn } from '../wake-up';
import type { SpendAuthorizationActivities } from './activities';
import { cardEvent, decide, progress, type SpendAuthorizationInput } from './messages';

const { followAuthorization } = proxyActivities<SpendAuthorizationActivities>(DATABASE_STEP);
const { decideAuthorization } = proxyLocalActivities<SpendAuthorizationActivities>(DECISION_STEP);

/** Long after any network has stopped waiting: what is not committed by then never will be. */
const NOTHING_COMMITTED_AFTER = '5 minutes';
/** A purchase that clears later is looked at now and then; its messages wake the workflow anyway. */
const FIRST_LOOK_MS = 86_400_000;

/**
 * Follows one purchase from its first commit to its last clearing: has every posting funded and lets the hold end at its
 * deadline. It ends when nothing more can be expected, and a later message (a clearing after expiry) starts it again.
 * On the workflow path it begins with the decision: the update that came with its start waits for the answer.
 */
export async function spendAuthorization(input: SpendAuthorizationInput): Promise<void> {
  const wakeUp = wakeUpOn(cardEvent);
  const fundingStarted = new Set<string>();
  let state = 'unknown';
  let ended = false;
  setHandler(progress, () => ({ state, fundingStarted: [...fundingStarted], ended }));

  if (input.asked !== undefined && (await answer(input, wakeUp)) === 'end') return;
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

/**
 * Answers the question that the workflow was started with. Returns when it is time to look at the rows, or that there will
 * be none to look at. A message about the purchase means that it exists, whoever decided it.
 */
async function answer(input: SpendAuthorizationInput, wakeUp: WakeUp): Promise<'look' | 'end'> {
  let next: AfterAnswer = 'look_later';
  let answered = false;
  setHandler(decide, async (request) => {
    try {
      const decision = await decideAuthorization(input.authorizationId ?? '', request);
      next = decision.next;
      return decision.reply;
    } finally {
      answered = true;
    }
  });
  // The question may be lost with a server that died after it took the start.
  await condition(() => answered || wakeUp.signalled(), NOTHING_COMMITTED_AFTER);
  if (wakeUp.signalled()) return 'look';
  const outcome = await afterAnswer(next, input, wakeUp);
  await condition(allHandlersFinished);
  return outcome;
}

async function afterAnswer(next: AfterAnswer, input: SpendAuthorizationInput, wakeUp: WakeUp): Promise<'look' | 'end'> {
  switch (next) {
    case 'end':
      return 'end';
    case 'look_later':
      await condition(wakeUp.signalled, NOTHING_COMMITTED_AFTER);
      return 'look';
    case 'follow':
      if (input.asked === 'clearing') await wakeUp.wait(FIRST_LOOK_MS);
      return 'look';
  }
}
