import {
  isGrpcDeadlineError,
  WithStartWorkflowOperation,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/client';
import type { TemporalClient } from './client';
import { describeFailure } from './describe-failure';
import type { AskOutcome, WorkflowAsker } from './port';

/**
 * Asks by Update-with-Start: one call that starts the workflow and comes back with its answer. The deadline stands on the
 * call, so that the server gives it up as well, and beside it, because a connection that is being made has none.
 */
export function createWorkflowAsker(temporal: TemporalClient): WorkflowAsker {
  const { client, taskQueue } = temporal;
  return {
    async ask({ workflowType, workflowId, input, update, argument }, timeoutMs) {
      const call = (): Promise<unknown> =>
        client.workflow.executeUpdateWithStart(update, {
          args: [argument],
          startWorkflowOperation: new WithStartWorkflowOperation(workflowType, {
            taskQueue,
            workflowId,
            args: [input],
            workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
            workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
          }),
        });
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<AskOutcome>((resolve) => {
        timer = setTimeout(() => resolve({ kind: 'timeout', detail: `no answer in ${timeoutMs} ms` }), timeoutMs);
      });
      const answer = temporal.withDeadline(call, timeoutMs).then(
        (value): AskOutcome => ({ kind: 'answered', answer: value }),
        (error: unknown): AskOutcome => ({
          kind: isGrpcDeadlineError(error) ? 'timeout' : 'unavailable',
          detail: describeFailure(error),
        }),
      );
      try {
        return await Promise.race([answer, timeout]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
