import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/client';
import type { TemporalClient } from './client';
import { describeFailure } from './describe-failure';
import type { WorkflowStarter } from './port';

/**
 * Start and signal differ on workflows that have ended. A start carries the first news of a business key, so a second
 * one is a repetition: REJECT_DUPLICATE. A signal carries further news (a clearing after the hold expired), so it may
 * start the workflow again: ALLOW_DUPLICATE. The workflow reads its work from rows, so running again only does what is
 * still open. What a signal comes before (its start was relayed later) is then a start that is rejected, harmlessly.
 */
export function createWorkflowStarter(temporal: TemporalClient): WorkflowStarter {
  const { client, taskQueue } = temporal;
  return {
    async start({ workflowType, workflowId, input }) {
      try {
        await temporal.withDeadline(() =>
          client.workflow.start(workflowType, {
            taskQueue,
            workflowId,
            args: [input],
            workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
            workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
          }),
        );
        return { kind: 'started' };
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return { kind: 'already_started' };
        return { kind: 'unavailable', detail: describeFailure(error) };
      }
    },
    async signalWithStart({ workflowType, workflowId, input, signal, messageId }) {
      try {
        await temporal.withDeadline(() =>
          client.workflow.signalWithStart(workflowType, {
            taskQueue,
            workflowId,
            args: [input],
            signal,
            signalArgs: [{ messageId }],
            workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
          }),
        );
        return { kind: 'signalled' };
      } catch (error) {
        return { kind: 'unavailable', detail: describeFailure(error) };
      }
    },
    async check() {
      try {
        await temporal.withDeadline(() => client.workflowService.getSystemInfo({}).then(() => undefined), 2_000);
        return true;
      } catch {
        return false;
      }
    },
  };
}
