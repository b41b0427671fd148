import type { StepResult } from '../services/shared/step';
import type { WakeUp } from './wake-up';

/** Takes a step, waits as long as it says or for a signal, and takes the next, until the work is over. Returns its last state. */
export async function followSteps(wakeUp: WakeUp, step: () => Promise<StepResult>): Promise<string> {
  for (;;) {
    wakeUp.aboutToLook();
    const result = await step();
    if (wakeUp.signalled()) continue;
    if (result.done) return result.state;
    await wakeUp.wait(result.waitMs);
  }
}
