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
