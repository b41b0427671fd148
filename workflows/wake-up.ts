import { condition, type SignalDefinition, setHandler } from '@temporalio/workflow';

/** What every signal carries. A signal says only "look at the rows again", so a repeated or lost one changes nothing. */
export interface SignalMessage {
  readonly messageId: string;
}

export interface WakeUp {
  /** Call right before the step that looks at the rows: what was signalled until now, it will see. */
  aboutToLook(): void;
  /** Whether a signal came since {@link aboutToLook}: the step may not have seen its rows, so do not end yet. */
  signalled(): boolean;
  /** Counts the end of something else as a signal. */
  alsoOn(event: Promise<void>): void;
  /** Waits for a signal since {@link aboutToLook}, at most `timeoutMs`; null waits for a signal only. */
  wait(timeoutMs: number | null): Promise<void>;
}

/**
 * Listens for `signals`. Call it before the first `await`, so that a signal that started the workflow is not missed:
 *
 *     const wakeUp = wakeUpOn(cardEvent);
 *     for (;;) {
 *       wakeUp.aboutToLook();
 *       const step = await activities.step(input);
 *       if (step.done && !wakeUp.signalled()) return;
 *       if (!step.done) await wakeUp.wait(step.waitMs);
 *     }
 */
export function wakeUpOn(...signals: SignalDefinition<[SignalMessage]>[]): WakeUp {
  let pending = false;
  const seen = new Set<string>();
  for (const signal of signals) {
    setHandler(signal, ({ messageId }) => {
      if (seen.has(messageId)) return;
      seen.add(messageId);
      pending = true;
    });
  }
  return {
    aboutToLook() {
      pending = false;
    },
    signalled: () => pending,
    alsoOn(event) {
      void event.then(() => {
        pending = true;
      });
    },
    async wait(timeoutMs) {
      if (timeoutMs === null) await condition(() => pending);
      else await condition(() => pending, timeoutMs);
    },
  };
}
