import type { ChainCall, ChainCallOutcome, ChainTransactionSender } from '../chain/port';

/**
 * One look at a call: submitted the first time, advanced afterwards. The intent key makes it one effect at most, however often this runs.
 */
export async function runCall(sender: ChainTransactionSender, call: ChainCall): Promise<ChainCallOutcome> {
  const outcome = await sender.submit(call);
  if (outcome.state === 'queued' || outcome.state === 'signed' || outcome.state === 'broadcast') {
    return sender.advance(call.organizationId, call.intentKey);
  }
  return outcome;
}

/** Key of the intent of a call's n-th try: one that failed is over for good, so a further try is an intent of its own. */
export function intentKeyOfTry(intentKey: string, attempt: number): string {
  return attempt === 1 ? intentKey : `${intentKey}:${attempt}`;
}

/**
 * {@link runCall} for a call that may be tried more than once: goes on from the last try that did not fail. One that reverted or failed
 * moved nothing, so that a further one can't do it twice.
 */
export async function runCallAgain(
  sender: ChainTransactionSender,
  call: ChainCall,
  triesAllowed: number,
): Promise<ChainCallOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await runCall(sender, { ...call, intentKey: intentKeyOfTry(call.intentKey, attempt) });
    const failed = outcome.state === 'reverted' || outcome.state === 'failed';
    if (!failed || attempt >= triesAllowed) return outcome;
  }
}
